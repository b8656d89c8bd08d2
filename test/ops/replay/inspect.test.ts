/**
 * What is told of actors, by a production gateway's own journals.
 */
import { describe, expect, test } from "bun:test";
import type { NodeEvent } from "../../../src/actors/node/events.ts";
import { encodeNodeEvent } from "../../../src/actors/node/persist.ts";
import { initialState } from "../../../src/actors/session/state.ts";
import { parseActor } from "../../../src/ops/replay/actor-kinds.ts";
import { diffInspections } from "../../../src/ops/replay/diff.ts";
import { inspectActor, listActors, timeline } from "../../../src/ops/replay/inspect.ts";
import { lagOf } from "../../../src/ops/replay/lag.ts";
import { whoHas } from "../../../src/ops/replay/ledger.ts";
import { sessionFold } from "../../../src/ops/replay/session-actor.ts";
import { whyOf } from "../../../src/ops/replay/why.ts";
import { ReplayStage } from "./stage.ts";
import { tell } from "./story.ts";

const story = tell({ limits: { maxDeliver: 7 } });
const { stage, worker, late, lateAgain, seqs } = story;
const { log } = stage;
const session = (id: string) => ({ kind: "session", id });

describe("listActors()", () => {
  test("lists sessions with state, age and number of events, in pages that miss nobody", async () => {
    const all = await listActors(log, { kind: "session", max: 10 });
    expect(all.next).toBeUndefined();
    expect(all.actors.map(({ state }) => state).sort()).toEqual(["attached", "attached", "attached", "expired"]);
    const paged: string[] = [];
    for (let cursor = "", more = true; more; ) {
      const page = await listActors(log, { kind: "session", cursor, max: 1 });
      paged.push(...page.actors.map(({ id }) => id));
      more = page.next !== undefined;
      cursor = page.next ?? "";
    }
    expect(paged).toEqual(all.actors.map(({ id }) => id));
  });

  test("gives only those in a state", async () => {
    const { actors } = await listActors(log, { kind: "session", state: "expired", max: 10 });
    expect(actors.map(({ id }) => id)).toEqual([late]);
  });

  test("lists connections that ended and the node, with the limits that it started with", async () => {
    const connections = await listActors(log, { kind: "connection", max: 10 });
    expect(connections.actors.map(({ id, state }) => [id, state])).toEqual([
      ["n1/c2", "closed"],
      ["n1/c3", "closed"],
    ]);
    const first = await listActors(log, { kind: "connection", max: 1 });
    const second = await listActors(log, { kind: "connection", max: 5, cursor: first.next ?? "" });
    expect([...first.actors, ...second.actors]).toEqual([...connections.actors]);
    const { state, statechart } = await inspectActor(log, { kind: "node", id: "n1" });
    expect([statechart.state, state["limits"], state["starts"]]).toEqual(["healthy", { maxDeliver: 7 }, 1]);
  });

  test("refuses a kind that there is not, and names those that there are", () => {
    expect(listActors(log, { kind: "nonsense", max: 1 })).rejects.toThrow(
      "expected one of: session, connection, node, pool",
    );
  });
});

describe("inspectActor()", () => {
  test("folds to now, with subscriptions, positions and the statechart's state", async () => {
    const { state, statechart, event } = await inspectActor(log, session(worker));
    expect(statechart).toEqual({ name: "session", state: "attached" });
    expect(state["subscriptions"]).toMatchObject([{ filter: "jobs.>", qos: 1, maxDeliver: 3, naks: [] }]);
    expect(event?.type).toBe("DeadLettered");
    expect(JSON.stringify(state)).not.toContain("resumeKey");
  });

  test("tells since when a session is away only while it is", () => {
    const away = { ...initialState, status: "open", detachedAt: 5 } as const;
    expect(sessionFold.view(away)["detachedAt"]).toBe(5);
    expect(sessionFold.view({ ...away, node: "n1", connection: "n1/c1" })["detachedAt"]).toBeNull();
  });

  test("folds to an event and to a time, both exclusive of what came later", async () => {
    const events = await timeline(log, session(worker), { max: 100 });
    const nacked = events.find(({ type }) => type === "Nacked");
    if (nacked === undefined) throw new Error("No Nacked");
    const bySeq = await inspectActor(log, session(worker), { at: { seq: nacked.seq } });
    expect(bySeq.state["subscriptions"]).toMatchObject([{ naks: [{ seq: seqs.second, attempts: 1 }] }]);
    const before = await inspectActor(log, session(worker), { at: { time: nacked.time - 1 } });
    expect(before.state["subscriptions"]).toMatchObject([{ naks: [] }]);
    const detached = events.find(({ type }) => type === "Detached")?.seq ?? 0;
    expect((await inspectActor(log, session(worker), { at: { seq: detached } })).statechart.state).toBe("detached");
    expect((await inspectActor(log, session(worker), { at: { seq: 0 } })).statechart.state).toBe("none");
  });

  test("is the same at the last event, folded from the first, as now, from the snapshot", async () => {
    const { seq, state } = await inspectActor(log, session(worker));
    expect((await inspectActor(log, session(worker), { at: { time: stage.clock.nowMs } })).state).toEqual(state);
    expect((await inspectActor(log, session(worker), { at: { seq } })).state).toEqual(state);
  });

  test("says that there is no such actor", () => {
    expect(inspectActor(log, session("nobody"))).rejects.toThrow("holds nothing of session/nobody");
    expect(inspectActor(log, { kind: "connection", id: "n1/c99" })).rejects.toThrow("holds nothing");
  });

  test("diffInspections() names what changed by its path, and nothing else", async () => {
    const [a, b] = [
      await inspectActor(log, session(worker), { at: { seq: 3 } }),
      await inspectActor(log, session(worker), { at: { seq: 4 } }),
    ];
    expect(diffInspections(a, a)).toEqual([]);
    expect(diffInspections(a, b).map(({ path }) => path)).toEqual([`subscriptions[jobs.>].naks[${seqs.second}]`]);
  });
});

describe("timeline()", () => {
  test("pages through events with a sentence each", async () => {
    const all = await timeline(log, session(late), { max: 100 });
    expect(all.map(({ type }) => type)).toEqual([
      "Opened",
      "Attached",
      "Subscribed",
      "Acknowledged",
      "Detached",
      "Expired",
    ]);
    expect(await timeline(log, session(late), { after: 4, max: 1 })).toEqual(all.slice(4, 5));
    for (const { summary } of all) expect(summary.length).toBeGreaterThan(10);
  });
});

describe("whyOf()", () => {
  test("tells of an expired session how long its client was away, and which setting allows more", async () => {
    const findings = await whyOf(log, session(late));
    expect(findings.map(({ cause }) => cause)).toEqual(["socketClosed 1006", "expired"]);
    expect(findings[1]).toMatchObject({ setting: "websocket.limits.resumeWindowMs" });
    expect(findings[1]?.sentence).toContain("nobody came for 2 s, its resume window was 2 s");
  });

  test("tells of the session that was opened instead which one its client had asked for", async () => {
    const [finding] = await whyOf(log, session(lateAgain));
    expect(finding).toMatchObject({ cause: "sessionExpired", setting: "websocket.limits.resumeWindowMs" });
    expect(finding?.sentence).toContain(late);
  });

  test("tells of a dead letter its tries, what the client said, and the setting", async () => {
    const finding = (await whyOf(log, session(worker))).at(-1);
    expect(finding).toMatchObject({ cause: "cannot do poison", setting: "websocket.limits.maxDeliver" });
    expect(finding?.sentence).toEndWith(
      `record ${seqs.poison} of jobs.> was given up after 3 tries, "cannot do poison"; it is in $dead.jobs.b`,
    );
    expect(finding?.advice).toStartWith("Read $dead.jobs.b,");
  });

  test("tells of a connection how it ended and what became of its session", async () => {
    const findings = await whyOf(log, { kind: "connection", id: "n1/c3" });
    expect(findings.map(({ cause }) => cause)).toEqual(["socketClosed 1006", "expired"]);
    expect(findings[0]?.sentence).toContain('"late" from 127.0.0.1, open for 8.1 s, code 1006, last heard ');
  });
});

test("whyOf() and whoHas() tell of records that retention took from one who was away", async () => {
  const own = new ReplayStage({ retention: { ageMs: 0, bytes: 0, records: 3 } });
  const [publisher, reader] = [own.client("publisher"), own.client("reader")];
  reader.client.subscribe("log.*", { qos: 1 }, () => undefined);
  own.pass(100);
  own.publish(publisher, "log.a", "0");
  own.pass(2_000);
  reader.sever();
  own.pass(10);
  const taken = own.publish(publisher, "log.a", "1");
  for (let i = 2; i <= 10; i++) own.publish(publisher, "log.a", String(i));
  own.pass(25_000);
  reader.mend();
  own.pass(3_000);
  const id = own.sessionOf("reader");
  const trimmed = (await whyOf(own.log, session(id))).filter(({ cause }) => cause === "trimmed");
  expect(trimmed).toMatchObject([{ setting: "log.retention" }]);
  expect(trimmed[0]?.sentence).toContain(`log.* was acknowledged up to ${taken - 1}, and the log began at 9`);
  const { rows, record } = await whoHas(own.log, "log.a", taken);
  expect([record, rows.map((row) => [row.session, row.fate, row.cause])]).toEqual([
    undefined,
    [[id, "lost", "trimmed"]],
  ]);
});

test("whyOf() a node dates each death to the start that found it, however often it starts after that", async () => {
  const own = new ReplayStage();
  const retention = { ageMs: 0, bytes: 0, records: 0 };
  const start = { type: "Started", version: "1", limits: {}, retention } as const;
  const life: readonly NodeEvent[] = [
    { ...start, at: 1_000 },
    { ...start, at: 5_000 },
    { type: "Stopped", at: 6_000, reason: "asked" },
    { ...start, at: 9_000 },
  ];
  own.done(
    own.log.journals.append({ key: { kind: "node", id: "n" }, expected: 0, entries: life.map(encodeNodeEvent) }),
  );
  const deaths = (await whyOf(own.log, { kind: "node", id: "n" })).filter(({ cause }) => cause === "nodeLost");
  expect(deaths.map(({ time, seq }) => [time, seq])).toEqual([[5_000, 2]]);
  expect(deaths[0]?.sentence).toContain("it had started at 1970-01-01T00:00:01.000Z");
});

describe("whoHas()", () => {
  test("of a seq beyond the log's end, or of another topic, says so and owes nobody", async () => {
    const end = await log.end();
    expect(await whoHas(log, "jobs.a", end + 100)).toMatchObject({ absent: "beyondEnd", rows: [] });
    expect(await whoHas(log, "jobs.zz", seqs.fine)).toMatchObject({ absent: "otherTopic", rows: [] });
  });

  test("tells processed, given up with tries and reasons, and lost with its cause", async () => {
    const fate = async (topic: string, seq: number) =>
      (await whoHas(log, topic, seq)).rows.map((row) => [row.session, row.fate, row.tries, row.cause]);
    expect(await fate("jobs.a", seqs.fine)).toEqual([[worker, "processed", undefined, undefined]]);
    expect(await fate("jobs.a", seqs.second)).toEqual([[worker, "processed", 1, undefined]]);
    expect(await fate("jobs.b", seqs.poison)).toEqual([[worker, "deadLettered", 3, "cannot do poison"]]);
    expect(await fate("news.today", seqs.missed)).toContainEqual([late, "lost", undefined, "expired"]);
  });

  test("names the record, and says when the log holds none with that topic and seq", async () => {
    expect((await whoHas(log, "jobs.a", seqs.fine)).record).toMatchObject({
      id: `${story.publisher}/1`,
      lane: "normal",
    });
    expect((await whoHas(log, "jobs.z", seqs.fine)).record).toBeUndefined();
  });

  test("a running gateway tells what is on its way before a journal does", async () => {
    const own = tell();
    const slow = own.stage.client("slow");
    slow.client.subscribe("slow.>", { qos: 1 }, () => new Promise(() => undefined));
    const publisher = own.stage.client("another");
    own.stage.pass(100);
    const seq = own.stage.publish(publisher, "slow.a", "x");
    own.stage.pass(3_000);
    const inspector = own.stage.gateway.inspect();
    const live = {
      session: async (id: string) => inspector.session(id),
      connection: async (id: string) => inspector.connection(id),
    };
    const { record, rows } = await whoHas(own.stage.log, "slow.a", seq);
    expect(rows.map(({ fate, since }) => [fate, since])).toEqual([["owed", record?.time as number]]);
    const now = (await whoHas(own.stage.log, "slow.a", seq, { live })).rows;
    expect(now.map(({ fate, since }) => [fate, since])).toEqual([["sent", undefined]]);
    const { sessions } = await lagOf(own.stage.log, { max: 5, live });
    expect(sessions.map(({ subject, records }) => [subject, records])).toEqual([["slow", 1]]);
    const [behind] = await whyOf(own.stage.log, session(own.stage.sessionOf("slow")));
    expect(behind).toMatchObject({ cause: "behind", setting: "websocket.limits.deliverWindowRecords" });
  });
});

test("parseActor() takes kind and id, and knows ids of connections and sessions", () => {
  expect(parseActor("session/abc")).toEqual(session("abc"));
  expect(parseActor("abc")).toEqual(session("abc"));
  expect(parseActor("n1/c7")).toEqual({ kind: "connection", id: "n1/c7" });
  expect(parseActor("connection/eu/n1/c7")).toEqual({ kind: "connection", id: "eu/n1/c7" });
  expect(parseActor("node/n1")).toEqual({ kind: "node", id: "n1" });
});
