/**
 * A node tells the log of its starts, stops and ended connections: in batches, bounded, and without anybody waiting.
 */
import { describe, expect, test } from "bun:test";
import type { ConnectionEnded, NodeEvent } from "../../src/actors/node/events.ts";
import { decodeNodeEvent, encodeNodeEvent } from "../../src/actors/node/persist.ts";
import { evolveNode, initialNodeState } from "../../src/actors/node/state.ts";
import { whyOf } from "../../src/ops/replay/why.ts";
import { limits } from "../../src/protocol/limits.ts";
import { NodeFacts } from "../../src/runtime/cluster/node-facts.ts";
import { openMemoryLog } from "../../src/runtime/log/memory.ts";
import { NodeJournal } from "../../src/runtime/node-journal.ts";
import { ManualClock } from "../support/manual-clock.ts";

const retention = { ageMs: 0, bytes: 0, records: 5 };
const inForce = { limits: { ...limits, maxDeliver: 3 }, retention };
const details = { closeCode: 1006, silentMs: 5, congestedMs: 0, bufferedBytes: 0, unackedRecords: 2, unackedBytes: 9 };

function ended(n: number): ConnectionEnded {
  const who = { session: `s${n}`, subject: "ada", remoteAddress: "::1", codec: "json", agent: "" };
  return { id: `n1/c${n}`, ...who, openedAt: 1, closedAt: 2, cause: "socketClosed 1006", details };
}

function stage() {
  const clock = new ManualClock();
  let away = false;
  const log = openMemoryLog({ clock, epoch: "e", failure: () => (away ? "unavailable" : undefined) });
  const pass = async (ms: number): Promise<void> => {
    for (const step of [ms, 0, 0, 0]) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(step);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const events = async (kind: string): Promise<readonly NodeEvent[]> => {
    const found: NodeEvent[] = [];
    for (const id of await log.journals.list(kind, "", 100))
      for (const { data } of await log.journals.read({ kind, id }, 0, 1_000)) found.push(decodeNodeEvent(data));
    return found;
  };
  return {
    ...{ clock, log, pass, events },
    journal: (node = "n1") => new NodeJournal({ log, clock, node, facts: new NodeFacts(log, clock) }),
    away: (now: boolean) => {
      away = now;
    },
  };
}

describe("NodeJournal", () => {
  test("tells of start, changed limits and stop, with the limits that are not the defaults", async () => {
    const { journal, pass, events, clock } = stage();
    const node = journal();
    node.started(inForce);
    await pass(10);
    node.configured({ ...inForce, limits });
    const stopped = node.stopped("asked");
    await pass(10);
    await stopped;
    const found = await events("node");
    expect(found.map(({ type }) => type)).toEqual(["Started", "Configured", "Stopped"]);
    expect(found[0]).toMatchObject({ limits: { maxDeliver: 3 }, retention });
    expect(found[1]).toMatchObject({ limits: {} });
    expect(found.reduce(evolveNode, initialNodeState)).toMatchObject({ status: "stopped", starts: 1, deaths: 0 });
    expect(clock.now()).toBeGreaterThan(0);
  });

  test("tells at its start of those that told of no end, on a log that only one process has", async () => {
    const { journal, pass, log, clock } = stage();
    const former = journal("n0");
    former.started(inForce);
    await pass(10);
    const orderly = journal("n9");
    orderly.started(inForce);
    const stopped = orderly.stopped("asked");
    await pass(10);
    await stopped;
    journal().started(inForce);
    await pass(10);
    const told = async (id: string) =>
      (await log.journals.read({ kind: "node", id }, 0, 100)).map(({ data }) => decodeNodeEvent(data));
    const types = async (id: string) => (await told(id)).map(({ type }) => type);
    expect([await types("n0"), await types("n9"), await types("n1")]).toEqual([
      ["Started", "Left"],
      ["Started", "Stopped"],
      ["Started"],
    ]);
    expect((await told("n0"))[1]).toMatchObject({ by: "n9", cause: "nodeLost" });
    expect(await whyOf(log, { kind: "node", id: "n0" })).toMatchObject([
      { cause: "nodeLost", seq: 2, sentence: expect.stringContaining("and n9 found it gone at") },
    ]);
    journal("n0").started(inForce);
    await pass(10);
    expect(await whyOf(log, { kind: "node", id: "n0" })).toHaveLength(1);
    expect(clock.now()).toBeGreaterThan(0);
  });

  test("tells of one change once, and of none not at all", async () => {
    const { journal, pass, events } = stage();
    const node = journal();
    node.started(inForce);
    node.configured({ ...inForce });
    for (const maxDeliver of [4, 4, 5, 5]) node.configured({ ...inForce, limits: { ...limits, maxDeliver } });
    await pass(10);
    expect((await events("node")).map((event) => ("limits" in event ? event.limits : event))).toEqual([
      { maxDeliver: 3 },
      { maxDeliver: 4 },
      { maxDeliver: 5 },
    ]);
  });

  test("joins connections that end within a second in one entry", async () => {
    const { journal, pass, events } = stage();
    const node = journal();
    for (let n = 1; n <= 3; n++) node.ended(ended(n));
    await pass(999);
    expect(await events("connections")).toEqual([]);
    await pass(10);
    expect(await events("connections")).toMatchObject([{ connections: [ended(1), ended(2), ended(3)], omitted: 0 }]);
  });

  test("keeps what a log that is away does not take, up to a bound, and counts the others", async () => {
    const { journal, pass, events, away } = stage();
    const node = journal();
    away(true);
    for (let n = 1; n <= 5_000; n++) node.ended(ended(n));
    await pass(2_000);
    expect(await events("connections")).toEqual([]);
    away(false);
    await pass(10_000);
    for (let i = 0; i < 40; i++) await pass(1);
    const found = (await events("connections")).filter((event) => event.type === "ConnectionsEnded");
    const told = found.flatMap(({ connections }) => connections.map(({ id }) => id));
    expect(new Set(told).size).toBe(told.length);
    expect(told.length + found.reduce((sum, { omitted }) => sum + omitted, 0)).toBe(5_000);
    expect(told.length).toBe(4_096);
  });

  test("goes on in a journal that another process of its name writes too", async () => {
    const { journal, pass, events } = stage();
    const [a, b] = [journal(), journal()];
    a.started(inForce);
    await pass(10);
    b.started(inForce);
    await pass(10);
    a.configured({ ...inForce, limits });
    await pass(10);
    expect((await events("node")).map(({ type }) => type)).toEqual(["Started", "Started", "Configured"]);
    expect((await events("node")).reduce(evolveNode, initialNodeState).deaths).toBe(1);
  });

  test("sweep() removes hours and other nodes that are older than is kept, and nothing younger", async () => {
    const { journal, pass, log, clock } = stage();
    const [old, own] = [journal("old"), journal("own")];
    old.started(inForce);
    own.started(inForce);
    old.ended(ended(1));
    await pass(2_000);
    const keepMs = 86_400_000;
    clock.advance(keepMs);
    own.ended(ended(2));
    await pass(2_000);
    const sweep = async (now: number): Promise<void> => {
      const sweeping = own.sweep(now, keepMs, (node) => node === "own");
      for (let i = 0; i < 5; i++) await pass(1);
      await sweeping;
    };
    await sweep(clock.now());
    expect(await log.journals.list("connections", "", 9)).toHaveLength(2);
    await sweep(clock.now() + 3_600_000);
    expect((await log.journals.list("connections", "", 9)).map((id) => id.split("/")[0])).toEqual(["own"]);
    expect(await log.journals.list("node", "", 9)).toEqual(["own"]);
  });
});

test("decodeNodeEvent() gives back what encodeNodeEvent() stored", () => {
  const all: readonly NodeEvent[] = [
    { type: "Started", at: 1, version: "1", limits: { maxDeliver: 1 }, retention },
    { type: "Configured", at: 2, limits: {}, retention },
    { type: "ConnectionsEnded", at: 3, connections: [ended(1)], omitted: 7 },
    { type: "Stopped", at: 4, reason: "asked" },
  ];
  for (const event of all) expect(decodeNodeEvent(encodeNodeEvent(event))).toEqual(event);
});
