/**
 * What docs/operations.md says of settings and metrics is what the code has: every one, and nothing else.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { configSchema, settingKinds } from "../../src/ops/config/schema.ts";
import { limits } from "../../src/protocol/limits.ts";
import { exposition } from "../../src/runtime/exposition.ts";
import { Counters } from "../../src/runtime/metrics.ts";

const text = readFileSync(join(import.meta.dir, "../../docs/operations.md"), "utf8");

function section(title: string): string {
  const found = new RegExp(`\\n## ${title}\\n([^]*?)(?=\\n## |$)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`docs/operations.md has no section "${title}"`);
  return found;
}

/** Defaults that the schema itself names, by dotted name; undefined: decided elsewhere, or none. */
function defaultsOf(schema: z.core.$ZodType, name: string): readonly (readonly [string, unknown])[] {
  if (schema instanceof z.ZodOptional) return defaultsOf(schema.unwrap() as z.core.$ZodType, name);
  if (schema instanceof z.ZodDefault) return [[name, schema.def.defaultValue]];
  if (!(schema instanceof z.ZodObject)) return [[name, undefined]];
  return Object.entries<z.core.$ZodType>(schema.shape).flatMap(([key, inner]) =>
    defaultsOf(inner, name === "" ? key : `${name}.${key}`),
  );
}

describe("docs/operations.md", () => {
  const rows = new Map(
    [...section("Settings").matchAll(/^\| `([^`]+)` \| (.+?) \|/gm)].map(([, name, value]) => [name, value] as const),
  );

  test("names every setting of the schema, and no other", () => {
    expect([...rows.keys()].sort()).toEqual([...settingKinds.keys()].sort());
  });

  test("names every setting's default, and where the schema has none says so in words", () => {
    const expected = new Map<string | undefined, unknown>([
      ...defaultsOf(configSchema, ""),
      ...Object.entries(limits).map(([name, value]) => [`limits.${name}`, value] as const),
    ]);
    for (const [name, value] of rows) {
      const said = /^`(.+)`$/.exec(value ?? "")?.[1];
      expect({ name, said: said === undefined ? undefined : JSON.parse(said) }).toEqual({
        name,
        said: expected.get(name),
      });
    }
  });

  test("names every metric of /metrics, and no other", async () => {
    const info = {
      epoch: "e",
      tier: "none",
      firstSeq: 1,
      lastSeq: 0,
      records: 0,
      bytes: 0,
      transactions: true,
      shared: false,
    } as const;
    const process = { residentBytes: () => 0, cpuSeconds: () => 0, loopDelayMs: () => ({ p99: 0, max: 0 }) };
    const shown = await exposition({
      counters: new Counters(),
      process,
      version: "0",
      log: () => info as never,
    }).text();
    const names = [...shown.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    const cells = [...section("Metrics").matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) => [
      ...(cell ?? "").matchAll(/`(\w+)`/g),
    ]);
    expect(cells.map(([, name]) => name).sort()).toEqual(names.sort());
  });
});
