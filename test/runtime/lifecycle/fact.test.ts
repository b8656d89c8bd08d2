import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { z } from "zod";
import type { SessionEvent } from "../../../src/actors/session/events.ts";
import { type LifecycleEvent, lifecycleEvents, lifecycleRecord } from "../../../src/runtime/lifecycle/fact.ts";
import { anyEvent, detached, opened } from "../../support/session-events.ts";

const schemaPath = join(import.meta.dir, "../../../schemas/weir/v1/lifecycle.schema.json");
const schema = JSON.parse(readFileSync(schemaPath, "utf8")) as { readonly oneOf: readonly object[] };
const contract = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
const doc = readFileSync(join(import.meta.dir, "../../../docs/lifecycle.md"), "utf8");
const all: ReadonlySet<LifecycleEvent> = new Set(lifecycleEvents);
const place = { session: "s", subject: "ada", seq: 7 };
const silent = ["Acknowledged", "PublishedUpTo", "PublishRefused", "RefusalsSettled", "Nacked", "NakSettled"];

function payloadOf(entry: SessionEvent): Record<string, unknown> | undefined {
  const record = lifecycleRecord(entry, place, all);
  return record && JSON.parse(new TextDecoder().decode(record.payload));
}

describe("lifecycleRecord()", () => {
  test("tells of every entry but those between client and gateway, as its schema says", () => {
    fc.assert(
      fc.property(anyEvent, (entry) => {
        const payload = payloadOf(entry);
        expect(payload === undefined).toBe(silent.includes(entry.type));
        if (payload !== undefined) expect(contract.safeParse(payload)).toMatchObject({ success: true });
      }),
    );
  });

  test("names event, session, subject, number and time, in id and payload", () => {
    const record = lifecycleRecord(detached, place, all);
    expect(record).toMatchObject({ topic: "$lifecycle.session.detached", id: "lifecycle/s/7", lane: 2 });
    expect(JSON.parse(new TextDecoder().decode(record?.payload))).toEqual({
      ...{ version: 1, event: "detached", session: "s", subject: "ada", seq: 7, at: 1_000 },
      cause: "socketClosed 1006",
    });
  });

  test("tells nothing that was not asked for", () => {
    expect(lifecycleRecord(opened, place, new Set<LifecycleEvent>(["attached"]))).toBeUndefined();
  });
});

test("lifecycle.schema.json refuses an event that it does not know, and a payload without its fields", () => {
  const common = { version: 1, session: "s", subject: "", seq: 1, at: 0 };
  expect(contract.safeParse({ ...common, event: "expired" }).success).toBe(true);
  expect(contract.safeParse({ ...common, event: "moved" }).success).toBe(false);
  expect(contract.safeParse({ ...common, event: "detached" }).success).toBe(false);
});

test("schema and documentation name the events that can be told, and no other", () => {
  const inSchema = schema.oneOf.map(
    (one) => (one as { properties: { event: { const: string } } }).properties.event.const,
  );
  expect(inSchema).toEqual([...lifecycleEvents]);
  const [, table = ""] = /\| event \| means \|[^\n]*\n\|[-|]+\|\n((?:\|[^\n]*\n)+)/.exec(doc) ?? [];
  const inDoc = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, event]) => event);
  expect(inDoc).toEqual([...lifecycleEvents]);
});
