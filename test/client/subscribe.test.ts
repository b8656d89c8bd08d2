import { expect, test } from "bun:test";
import type { ReceivedRecord } from "../../src/client/mod.ts";
import { outcome, records, World } from "./world.ts";

const normal = 12; // The chain of lane 2, as the peer numbers them.

async function subscribed(
  options: Parameters<ReturnType<World["connect"]>["subscribe"]>[1] = {},
  handler?: (record: ReceivedRecord) => unknown,
) {
  const world = new World();
  const client = await world.connected();
  const subscription = client.subscribe("orders.>", options as object, handler);
  await world.clock.settle();
  world.peer.subscribed({ filter: "orders.>" });
  await world.clock.settle();
  return { world, client, subscription };
}

test("subscribe() sends its options and ready resolves with the resume answer", async () => {
  const { world, subscription } = await subscribed({
    qos: 2,
    start: { seq: 5, epoch: "E1" },
    window: { records: 10 },
    ackWaitMs: 500,
    maxDeliver: 3,
  });
  expect(world.peer.last("subscribe")).toEqual({
    type: "subscribe",
    ref: 1,
    filter: "orders.>",
    qos: 2,
    start: { kind: "position", seq: 5, epoch: "E1" },
    window: { records: 10, bytes: 1_048_576 },
    ackWaitMs: 500,
    maxDeliver: 3,
  });
  expect(await subscription.ready).toMatchObject({ filter: "orders.>", resume: { kind: "upToDate" } });
});

test("a callback gets each record once in order, and acknowledgements travel together after ms", async () => {
  const seen: number[] = [];
  const { world } = await subscribed({}, (record) => void seen.push(record.json<number>()));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 4) });
  world.peer.send({ type: "deliver", chain: normal, prev: 4, upTo: 9, records: [] });
  await world.clock.settle();
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(world.peer.all("ack")).toEqual([]);
  await world.clock.advance(50);
  expect(world.peer.all("ack")).toEqual([{ type: "ack", upTo: [{ chain: normal, seq: 9 }] }]);
});

test("acknowledgements travel at once after ack.records", async () => {
  const world = new World();
  const client = await world.connected({ ack: { records: 4 } });
  client.subscribe("orders.>", () => undefined);
  await world.clock.settle();
  world.peer.subscribed({ filter: "orders.>" });
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 10) });
  expect(world.peer.all("ack").map(({ upTo }) => upTo)).toEqual([
    [{ chain: normal, seq: 4 }],
    [{ chain: normal, seq: 8 }],
  ]);
});

test("the next record waits for an async callback, and only what is processed is acknowledged", async () => {
  const release: (() => void)[] = [];
  const { world } = await subscribed({}, () => new Promise<void>((resolve) => release.push(resolve)));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.advance(1_000);
  expect(release.length).toBe(1);
  expect(world.peer.all("ack")).toEqual([]);
  release[0]?.();
  await world.clock.advance(1_000);
  expect(release.length).toBe(2);
  expect(world.peer.last("ack").upTo).toEqual([{ chain: normal, seq: 1 }]);
});

test("concurrency n runs n callbacks and acknowledges the contiguous prefix alone", async () => {
  const release = new Map<number, () => void>();
  const { world } = await subscribed(
    { concurrency: 3 },
    (record) => new Promise<void>((resolve) => release.set(record.seq, resolve)),
  );
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 5) });
  expect([...release.keys()]).toEqual([1, 2, 3]);
  release.get(3)?.();
  release.get(2)?.();
  await world.clock.advance(1_000);
  expect(world.peer.all("ack")).toEqual([]);
  release.get(1)?.();
  await world.clock.advance(1_000);
  expect(world.peer.last("ack").upTo).toEqual([{ chain: normal, seq: 3 }]);
});

test("a higher lane overtakes what waits in a lower one", async () => {
  const seen: [number, number][] = [];
  const { world } = await subscribed({}, async (record) => {
    seen.push([record.lane, record.seq]);
    await Promise.resolve();
  });
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 2) });
  world.peer.send({ type: "deliver", chain: 10, prev: 0, records: records(3, 1, 0) });
  await world.clock.settle();
  expect(seen).toEqual([
    [2, 1],
    [0, 3],
    [2, 2],
  ]);
});

test("a callback that throws gives the record back before its position is acknowledged; its redelivery is acknowledged alone", async () => {
  const tries: number[] = [];
  const { world, client } = await subscribed({}, (record) => {
    if (record.seq !== 2) return;
    tries.push(record.attempt);
    if (record.attempt === 1) throw new Error("not now");
  });
  const errors: string[] = [];
  client.on("error", (error) => errors.push(error.code));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.advance(50);
  expect(world.peer.received.slice(-2)).toEqual([
    { type: "nak", chain: normal, seq: 2, reason: "not now" },
    { type: "ack", upTo: [{ chain: normal, seq: 3 }] },
  ]);
  world.peer.send({ type: "deliver", chain: normal, prev: 1, attempt: 2, records: records(2, 1) });
  await world.clock.advance(50);
  expect(tries).toEqual([1, 2]);
  expect(world.peer.last("ack")).toEqual({ type: "ack", only: [{ chain: normal, seq: 2 }] });
  expect(errors).toEqual(["handlerFailed"]);
});

test("at QoS 2 a redelivery that was processed already is acknowledged and not handed out", async () => {
  const seen: number[] = [];
  const { world } = await subscribed({ qos: 2 }, (record) => void seen.push(record.seq));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 1) });
  world.peer.send({ type: "deliver", chain: normal, prev: 0, attempt: 2, records: records(1, 1) });
  await world.clock.advance(50);
  expect(seen).toEqual([1]);
  expect(world.peer.last("ack")).toEqual({
    type: "ack",
    upTo: [{ chain: normal, seq: 1 }],
    only: [{ chain: normal, seq: 1 }],
  });
});

test("record.nak() with delay and reason, and deadLettered, reach gateway and application", async () => {
  const { world, client, subscription } = await subscribed({ autoAck: false }, (record) =>
    record.nak({ delayMs: 70, reason: "busy" }),
  );
  const dead: unknown[] = [];
  subscription.on("deadLetter", (event) => dead.push(event));
  client.on("deadLetter", (event) => dead.push(event.filter));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 1) });
  await world.clock.settle();
  expect(world.peer.last("nak")).toEqual({ type: "nak", chain: normal, seq: 1, delayMs: 70, reason: "busy" });
  world.peer.send({
    type: "error",
    code: 309,
    cause: "deadLettered",
    message: "gave up",
    retryable: false,
    chain: normal,
    seq: 1,
  });
  expect(dead).toEqual(["orders.>", { lane: 2, seq: 1, message: "gave up" }]);
});

test("a refused NAK is sent again later, because the position has passed the record", async () => {
  const { world } = await subscribed({ autoAck: false }, (record) => record.nak());
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 1) });
  await world.clock.settle();
  world.peer.send({
    type: "error",
    code: 308,
    cause: "tooManyNaks",
    message: "later",
    retryable: true,
    chain: normal,
    seq: 1,
    retryAfterMs: 300,
  });
  await world.clock.advance(299);
  expect(world.peer.all("nak").length).toBe(1);
  await world.clock.advance(2);
  expect(world.peer.all("nak").length).toBe(2);
});

test("a hole is asked for once, and again only after something has fitted", async () => {
  const seen: number[] = [];
  const { world, subscription } = await subscribed({}, (record) => void seen.push(record.seq));
  const holes: unknown[] = [];
  subscription.on("hole", (hole) => holes.push(hole));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 2) });
  world.peer.send({ type: "deliver", chain: normal, prev: 3, records: records(4, 1) });
  world.peer.send({ type: "deliver", chain: normal, prev: 4, records: records(5, 1) });
  expect(world.peer.all("credit")).toEqual([
    { type: "credit", filter: "orders.>", records: 8_192, bytes: 1_048_576, holes: [{ chain: normal, seq: 2 }] },
  ]);
  world.peer.send({ type: "deliver", chain: normal, prev: 2, records: records(3, 3) });
  expect(seen).toEqual([1, 2, 3, 4, 5]);
  world.peer.send({ type: "deliver", chain: normal, prev: 6, records: records(7, 1) });
  expect(world.peer.all("credit").length).toBe(2);
  expect(holes).toEqual([
    { lane: 2, last: 2 },
    { lane: 2, last: 5 },
  ]);
});

test("at QoS 0 a hole is accepted, counted, and nothing is acknowledged", async () => {
  const seen: number[] = [];
  const { world, subscription } = await subscribed({ qos: 0 }, (record) => void seen.push(record.seq));
  const skipped: unknown[] = [];
  subscription.on("skipped", (stretch) => skipped.push(stretch));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 1) });
  world.peer.send({ type: "deliver", chain: normal, prev: 5, records: records(6, 1) });
  await world.clock.advance(1_000);
  expect(seen).toEqual([1, 6]);
  expect(skipped).toEqual([{ lane: 2, after: 1, upTo: 5 }]);
  expect(world.peer.all("ack").length + world.peer.all("credit").length).toBe(0);
});

test("heads of a PONG reveal a lost last record, which is asked for after a short delay", async () => {
  const { world } = await subscribed({}, () => undefined);
  await world.clock.advance(20_000);
  const ping = world.peer.last("ping");
  world.peer.send({ type: "pong", id: ping.id, heads: [{ chain: normal, seq: 3 }] });
  expect(world.peer.all("credit")).toEqual([]);
  await world.clock.advance(250);
  expect(world.peer.last("credit").holes).toEqual([{ chain: normal, seq: 0 }]);
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  world.peer.send({ type: "ping", id: 9, heads: [{ chain: normal, seq: 3 }] });
  await world.clock.advance(250);
  expect(world.peer.all("credit").length).toBe(1);
  expect(world.peer.last("pong")).toEqual({ type: "pong", id: 9 });
});

test("an iterator acknowledges a record when the next one is asked for, and ends its subscription on break", async () => {
  const { world, client, subscription } = await subscribed();
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  const seen: number[] = [];
  for await (const record of subscription) {
    seen.push(record.seq);
    if (record.seq === 1) {
      await world.clock.advance(50);
      expect(world.peer.all("ack")).toEqual([]);
    } else {
      await world.clock.advance(50);
      expect(world.peer.last("ack").upTo).toEqual([{ chain: normal, seq: record.seq - 1 }]);
    }
    if (record.seq === 3) break;
  }
  expect(seen).toEqual([1, 2, 3]);
  expect(world.peer.received.slice(-2)).toMatchObject([
    { type: "ack", upTo: [{ chain: normal, seq: 3 }] },
    { type: "unsubscribe", filter: "orders.>" },
  ]);
  client.subscribe("orders.>");
  await world.clock.settle();
  expect(world.peer.all("subscribe").length).toBe(2);
});

test("what passes the window without being read is not kept: the buffer is bounded", async () => {
  const { world, subscription } = await subscribed({ window: { records: 4 } });
  for (let first = 1; first <= 1_000; first += 4)
    world.peer.send({ type: "deliver", chain: normal, prev: first - 1, records: records(first, 4) });
  const iterator = subscription[Symbol.asyncIterator]();
  const seen: number[] = [];
  for (;;) {
    const next = await outcome(iterator.next());
    if (next === "pending" || "code" in next || next.value.done === true) break;
    seen.push(next.value.value.seq);
  }
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});

test("a refused subscription rejects ready, ends its iterator and is reported; the same filter twice is an error", async () => {
  const world = new World();
  const client = await world.connected();
  const errors: string[] = [];
  client.on("error", (error) => errors.push(error.code));
  const subscription = client.subscribe("secret");
  expect(() => client.subscribe("secret")).toThrow("holds secret already");
  const next = subscription[Symbol.asyncIterator]().next();
  next.catch(() => undefined);
  await world.clock.settle();
  world.peer.send({
    type: "error",
    code: 211,
    cause: "subscribeForbidden",
    message: "No",
    retryable: false,
    ref: world.peer.last("subscribe").ref,
  });
  expect(await outcome(subscription.ready)).toEqual({ code: "subscribeForbidden" });
  expect(await outcome(next)).toEqual({ code: "subscribeForbidden" });
  expect(errors).toEqual(["subscribeForbidden"]);
});

test("UNSUBSCRIBED from the gateway ends the subscription with its cause", async () => {
  const { world, subscription } = await subscribed();
  const ended: string[] = [];
  subscription.on("ended", (error) => ended.push(error.message));
  world.peer.send({ type: "unsubscribed", ref: 0, filter: "orders.>", cause: "permissionChanged" });
  expect(ended).toEqual(["The gateway ended the subscription orders.>: permissionChanged"]);
});

test("unsubscribe() acknowledges first and resolves with UNSUBSCRIBED, also over a reconnect", async () => {
  const { world, subscription } = await subscribed({}, () => undefined);
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 2) });
  const left = subscription.unsubscribe();
  expect(world.peer.received.slice(-2).map(({ type }) => type)).toEqual(["ack", "unsubscribe"]);
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  peer.subscribed({ filter: "orders.>", ref: 0 });
  await world.clock.settle();
  expect(await outcome(left)).toBe("pending");
  peer.send({ type: "unsubscribed", ref: peer.last("unsubscribe").ref, filter: "orders.>" });
  expect(await outcome(left)).toEqual({ value: undefined });
});
