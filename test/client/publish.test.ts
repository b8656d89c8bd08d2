import { expect, test } from "bun:test";
import { recordBytes } from "../../src/protocol/frame.ts";
import { later, outcome, World } from "./world.ts";

test("publish() of one tick travels in one PUBLISH and resolves with its place in the log", async () => {
  const world = new World();
  const client = await world.connected();
  const all = [
    client.publish("a.b", 1),
    client.publish("a.b", { x: 2 }),
    client.publish("a.c", new Uint8Array([9]), { headers: { k: "v" }, priority: "high" }),
  ];
  await world.clock.settle();
  const frames = world.peer.all("publish");
  expect(frames.length).toBe(1);
  expect(frames[0]?.first).toBe(1);
  expect(
    frames[0]?.records.map(({ topic, payload, lane }) => [topic, new TextDecoder().decode(payload), lane]),
  ).toEqual([
    ["a.b", "1", undefined],
    ["a.b", '{"x":2}', undefined],
    ["a.c", "\t", 1],
  ]);
  world.peer.send({
    type: "published",
    upTo: 3,
    runs: [
      { n: 1, seq: 7, count: 2 },
      { n: 3, seq: 0, count: 1 },
    ],
  });
  expect(await Promise.all(all)).toEqual([
    { n: 1, seq: 7, position: { epoch: "E1", seq: 7 } },
    { n: 2, seq: 8, position: { epoch: "E1", seq: 8 } },
    { n: 3 },
  ]);
  expect(client.outbox).toEqual({ records: 0, bytes: 0 });
});

test("publish() rejects with the gateway's refusal and tells settled numbers with the next PUBLISH", async () => {
  const world = new World();
  const client = await world.connected();
  const refused = later(client.publish("a", 1));
  await world.clock.settle();
  world.peer.send({
    type: "published",
    upTo: 1,
    runs: [],
    refused: [{ n: 1, code: 210, cause: "publishForbidden", message: "No" }],
  });
  expect(await outcome(refused)).toEqual({ code: "publishForbidden" });
  void client.publish("a", 2);
  await world.clock.settle();
  expect(world.peer.last("publish")).toMatchObject({ first: 2, settled: 1 });
});

test("publish() rejects arguments and options that cannot be right, naming them", async () => {
  const world = new World();
  const client = await world.connected();
  const codes = [];
  for (const promise of [
    client.publish("a b", 1),
    client.publish("a", undefined),
    client.publish("a", new Uint8Array(600_000)),
    client.publish("a", 1, { headers: { k: "x".repeat(5_000) } }),
    client.publish("a", 1, { prority: "high" } as never),
    client.publish("a", 1, { priority: "urgent" as never }),
  ]) {
    codes.push(await promise.catch((error: { code: string }) => error.code));
  }
  expect(codes).toEqual(["badTopic", "badArgument", "payloadTooLarge", "headersTooLarge", "badOption", "badOption"]);
  expect(() => world.connect({ tokn: "x" } as never)).toThrow('Unknown option "tokn" of connect');
  expect(() => world.connect({ outbox: { recordMax: 1 } } as never)).toThrow(
    'Unknown option "recordMax" of connect.outbox',
  );
  expect(() => client.subscribe("a", { qos: 3 as never })).toThrow('Option "qos" of subscribe is 3');
  expect(() => client.subscribe("a..b")).toThrow();
});

test("publish() past the outbox's bounds rejects with outboxFull, and writable() waits for room", async () => {
  const world = new World();
  const client = await world.connected({ outbox: { recordsMax: 4 } });
  const kept = [1, 2, 3, 4].map((value) => later(client.publish("a", value)));
  expect(
    await client.publish("a", 5).catch((error: { code: string; retryable: boolean }) => [error.code, error.retryable]),
  ).toEqual(["outboxFull", true]);
  const writable = client.writable();
  await world.clock.settle();
  expect(await outcome(writable)).toBe("pending");
  world.peer.send({ type: "published", upTo: 3, runs: [{ n: 1, seq: 1, count: 3 }] });
  expect(await outcome(writable)).toEqual({ value: undefined });
  expect(await outcome(kept[3] as Promise<unknown>)).toBe("pending");
});

test("the client never sends past its credit in records or bytes, and goes on when PUBLISHED gives it back", async () => {
  const world = new World();
  const bytes = recordBytes({ topic: "a", payload: new Uint8Array(100) });
  const client = await world.connected({}, { credit: { records: 100, bytes: 3 * bytes } });
  for (let i = 0; i < 8; i++) void client.publish("a", new Uint8Array(100));
  await world.clock.settle();
  expect(world.peer.all("publish").flatMap(({ records }) => records).length).toBe(3);
  world.peer.send({ type: "published", upTo: 2, runs: [{ n: 1, seq: 1, count: 2 }] });
  await world.clock.settle();
  expect(world.peer.last("publish")).toMatchObject({ first: 4 });
  expect(world.peer.last("publish").records.length).toBe(2);
  world.peer.send({ type: "credit", records: 4, bytes: 1_000_000 });
  await world.clock.settle();
  expect(world.peer.last("publish")).toMatchObject({ first: 6 });
  expect(world.peer.last("publish").records.length).toBe(1);
});

test("large bursts are split into PUBLISH frames of bounded records and bytes", async () => {
  const world = new World();
  const client = await world.connected();
  for (let i = 0; i < 1_100; i++) void client.publish("a", i);
  for (let i = 0; i < 3; i++) void client.publish("b", new Uint8Array(200_000));
  await world.clock.settle();
  const frames = world.peer.all("publish");
  expect(frames.map(({ first, records }) => [first, records.length])).toEqual([
    [1, 512],
    [513, 512],
    [1_025, 77],
    [1_102, 1],
    [1_103, 1],
  ]);
});

test("after a resume what is above publishedUpTo goes out again, in order and with its numbers", async () => {
  const world = new World();
  const client = await world.connected();
  const all = [1, 2, 3, 4].map((value) => later(client.publish("a", value)));
  await world.clock.settle();
  const peer = await world.reconnect();
  expect(peer.last("hello")).toMatchObject({ session: "S1", resumeKey: "key", settled: 0 });
  expect(peer.all("publish")).toEqual([]);
  void client.publish("a", 5);
  peer.welcome({
    outcome: "resumed",
    publishedUpTo: 2,
    refused: [{ n: 2, code: 302, cause: "reservedTopic", message: "No" }],
  });
  await world.clock.settle();
  expect(await outcome(all[0] as Promise<unknown>)).toEqual({ value: { n: 1 } });
  expect(await outcome(all[1] as Promise<unknown>)).toEqual({ code: "reservedTopic" });
  expect(
    peer
      .all("publish")
      .map(({ first, records }) => [first, records.map(({ payload }) => new TextDecoder().decode(payload))]),
  ).toEqual([[3, ["3", "4", "5"]]]);
});

test("ERROR with a number holds back, then sends again from that number after retryAfterMs", async () => {
  const world = new World();
  const client = await world.connected({}, { credit: { records: 4, bytes: 1_000_000 } });
  const all = [1, 2, 3, 4].map((value) => later(client.publish("a", value)));
  await world.clock.settle();
  world.peer.send({ type: "published", upTo: 1, runs: [{ n: 1, seq: 1, count: 1 }] });
  world.peer.send({
    type: "error",
    code: 600,
    cause: "logUnavailable",
    message: "Later",
    retryable: true,
    n: 2,
    retryAfterMs: 500,
  });
  await world.clock.advance(499);
  expect(world.peer.all("publish").length).toBe(1);
  await world.clock.advance(2);
  expect(world.peer.last("publish")).toMatchObject({ first: 2 });
  expect(world.peer.last("publish").records.length).toBe(3);
  world.peer.send({ type: "published", upTo: 4, runs: [{ n: 2, seq: 2, count: 3 }] });
  expect((await Promise.all(all)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
});

test("a lost session rejects what had been sent with outcomeUnknown and renumbers the rest", async () => {
  const world = new World();
  const client = await world.connected({}, { credit: { records: 2, bytes: 1_000_000 } });
  const lost: unknown[] = [];
  client.on("lost", (event) => lost.push([event.session, event.cause, event.outcomeUnknown.length]));
  const all = [1, 2, 3].map((value) => later(client.publish("a", value)));
  await world.clock.settle();
  const peer = await world.reconnect();
  peer.welcome({ session: "S2", cause: "sessionExpired" });
  await world.clock.settle();
  expect(await Promise.all(all.map(outcome))).toEqual([
    { code: "outcomeUnknown" },
    { code: "outcomeUnknown" },
    "pending",
  ]);
  expect(
    peer
      .all("publish")
      .map(({ first, records }) => [first, records.map(({ payload }) => new TextDecoder().decode(payload))]),
  ).toEqual([[1, ["3"]]]);
  expect(lost).toEqual([["S1", "sessionExpired", 2]]);
});

test("a lost session with onSessionLost resend publishes everything in the new one", async () => {
  const world = new World();
  const client = await world.connected({ onSessionLost: "resend" });
  const all = [1, 2].map((value) => later(client.publish("a", value)));
  await world.clock.settle();
  const peer = await world.reconnect();
  peer.welcome({ session: "S2", cause: "sessionExpired" });
  await world.clock.settle();
  expect(peer.last("publish")).toMatchObject({ first: 1 });
  peer.send({ type: "published", upTo: 2, runs: [{ n: 1, seq: 5, count: 2 }] });
  expect((await Promise.all(all)).map(({ seq }) => seq)).toEqual([5, 6]);
});

test("ordered publishes keep one in flight per topic and hold nobody else back", async () => {
  const world = new World();
  const client = await world.connected();
  void client.publish("a", 1);
  for (const value of [2, 3]) void client.publish("a", value, { ordered: true });
  void client.publish("a", 4);
  void client.publish("b", 5, { ordered: true });
  await world.clock.settle();
  const sent = (): string[] =>
    world.peer.all("publish").flatMap(({ records }) => records.map(({ payload }) => new TextDecoder().decode(payload)));
  expect(sent()).toEqual(["1", "5"]);
  world.peer.send({ type: "published", upTo: 2, runs: [{ n: 1, seq: 1, count: 2 }] });
  await world.clock.settle();
  expect(sent()).toEqual(["1", "5", "2"]);
  world.peer.send({ type: "published", upTo: 3, runs: [{ n: 3, seq: 3, count: 1 }] });
  await world.clock.settle();
  world.peer.send({ type: "published", upTo: 4, runs: [{ n: 4, seq: 4, count: 1 }] });
  await world.clock.settle();
  expect(sent()).toEqual(["1", "5", "2", "3", "4"]);
});

test("an aborted publish rejects; one that has no number yet is withdrawn", async () => {
  const world = new World();
  const client = await world.connected();
  const abort = new AbortController();
  const numbered = later(client.publish("a", 1, { signal: abort.signal }));
  const waiting = later(client.publish("a", 2, { ordered: true, signal: abort.signal }));
  const next = client.publish("a", 3, { ordered: true });
  await world.clock.settle();
  abort.abort();
  expect(await outcome(numbered)).toEqual({ code: "aborted" });
  expect(await outcome(waiting)).toEqual({ code: "aborted" });
  world.peer.send({ type: "published", upTo: 1, runs: [{ n: 1, seq: 1, count: 1 }] });
  await world.clock.settle();
  world.peer.send({ type: "published", upTo: 2, runs: [{ n: 2, seq: 2, count: 1 }] });
  expect((await next).n).toBe(2);
  expect(client.outbox.records).toBe(0);
});

test("close() rejects what waits: closed when it never left, outcomeUnknown when it did", async () => {
  const world = new World();
  const client = await world.connected({}, { credit: { records: 1, bytes: 1_000 } });
  const all = [1, 2].map((value) => later(client.publish("a", value)));
  await world.clock.settle();
  await client.close();
  expect(await Promise.all(all.map(outcome))).toEqual([{ code: "outcomeUnknown" }, { code: "closed" }]);
  expect(await outcome(client.publish("a", 3))).toEqual({ code: "closed" });
  expect(client.status).toBe("closed");
  expect(world.peer.closed?.code).toBe(1000);
});

test("publish() rejects with badArgument and the reason when the payload cannot be written as JSON", async () => {
  const client = await new World().connected();
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  for (const value of [1n, { total: 7n }, cyclic, undefined, () => 1]) {
    expect(await client.publish("a.b", value).catch((error: unknown) => error)).toMatchObject({
      name: "WeirError",
      code: "badArgument",
      retryable: false,
      message: expect.stringMatching(/^Payload of a\.b is neither bytes nor JSON: \S/),
    });
  }
  expect(client.outbox.records).toBe(0);
});
