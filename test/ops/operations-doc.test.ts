/**
 * What docs/operations.md says of settings and metrics is what the code has: every one, and nothing else.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { settings } from "../../src/ops/config/describe.ts";
import { withSettingsTable } from "../../src/ops/config/settings-table.ts";
import { freshMetrics } from "../support/fresh-metrics.ts";

const text = readFileSync(join(import.meta.dir, "../../docs/operations.md"), "utf8");

function section(title: string): string {
  const found = new RegExp(`\\n## ${title}\\n([^]*?)(?=\\n## |$)`).exec(text)?.[1];
  if (found === undefined) throw new Error(`docs/operations.md has no section "${title}"`);
  return found;
}

describe("docs/operations.md", () => {
  test("has the table of settings that the schema gives", () => {
    expect(withSettingsTable(text)).toBe(text);
    for (const name of settings.keys()) expect(text).toContain(`| \`${name}\` |`);
  });

  test("names every metric of /metrics, and no other", async () => {
    const names = (await freshMetrics()).map(([name]) => name);
    const cells = [...section("Metrics").matchAll(/^\| (.+?) \|/gm)].flatMap(([, cell]) => [
      ...(cell ?? "").matchAll(/`(\w+)`/g),
    ]);
    expect(cells.map(([, name]) => name).sort()).toEqual(names.sort());
  });
});
