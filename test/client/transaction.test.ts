import { expect, test } from "bun:test";
import type { ReceivedRecord } from "../../src/client/mod.ts";
import { later, outcome, records, World } from "./world.ts";

const normal = 12;

async function consuming(options: { concurrency?: number } = {}) {
  const world = new World();
  const client = await world.connected();
  const got: ReceivedRecord[] = [];
  client.subscribe("orders.>", { qos: 2, autoAck: false, ...options }, (record) => void got.push(record));
  await world.clock.settle();
  world.peer.subscribed({ filter: "orders.>" });
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.settle();
  return { world, client, got };
}

test("transaction() sends records and acknowledgements as one burst and resolves with COMMITTED", async () => {
  const { world, client, got } = await consuming();
  const done = client.transaction((tx) => {
    tx.publish("out.a", 1);
    for (const record of got) tx.ack(record);
    tx.publish("out.b", 2, { priority: "low" });
  });
  await world.clock.settle();
  const burst = world.peer.received.slice(-4);
  expect(burst).toMatchObject([
    { type: "begin", tx: 1 },
    { type: "publish", tx: 1, records: [{ topic: "out.a" }, { topic: "out.b", lane: 3 }] },
    { type: "ack", tx: 1, upTo: [{ chain: normal, seq: 3 }] },
    { type: "commit", tx: 1 },
  ]);
  expect("first" in (burst[1] as object)).toBe(false);
  world.peer.send({ type: "committed", tx: 1, firstSeq: 8, lastSeq: 9 });
  expect(await done).toEqual({ firstSeq: 8, lastSeq: 9, duplicate: false });
  await world.clock.advance(1_000);
  expect(world.peer.all("ack").length).toBe(1); // The transaction's own.
});

test("a function that throws rolls back: nothing is sent and the record is the subscription's again", async () => {
  const { world, client, got } = await consuming();
  const before = world.peer.received.length;
  const error = await client
    .transaction((tx) => {
      tx.publish("out.a", 1);
      tx.ack(got[0] as ReceivedRecord);
      throw new Error("changed my mind");
    })
    .catch((each: Error) => each.message);
  expect(error).toBe("changed my mind");
  await world.clock.settle();
  expect(world.peer.received.length).toBe(before);
  got[0]?.ack();
  await world.clock.advance(50);
  expect(world.peer.last("ack")).toEqual({ type: "ack", upTo: [{ chain: normal, seq: 1 }] });
});

test("after a reconnect the whole transaction goes again with its number, once its chain was delivered that far", async () => {
  const { world, client, got } = await consuming();
  const done = client.transaction((tx) => {
    tx.publish("out.a", 1);
    tx.ack(got[0] as ReceivedRecord);
  });
  await world.clock.settle();
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  await world.clock.settle();
  expect(peer.all("begin")).toEqual([]);
  peer.subscribed({ filter: "orders.>", qos: 2 }, 0);
  await world.clock.settle();
  expect(peer.all("begin")).toEqual([]);
  peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.settle();
  expect(peer.received.slice(-4)).toMatchObject([
    { type: "begin", tx: 1 },
    { type: "publish", tx: 1 },
    { type: "ack", upTo: [{ chain: normal, seq: 1 }] },
    { type: "commit", tx: 1 },
  ]);
  peer.send({ type: "committed", tx: 1, firstSeq: 8, lastSeq: 8, duplicate: true });
  expect(await done).toEqual({ firstSeq: 8, lastSeq: 8, duplicate: true });
});

test("a retryable ERROR sends the transaction again with its number; a final one rejects", async () => {
  const world = new World();
  const client = await world.connected();
  const done = later(client.transaction((tx) => tx.publish("a", 1)));
  await world.clock.settle();
  world.peer.send({
    type: "error",
    code: 600,
    cause: "logUnavailable",
    message: "later",
    retryable: true,
    tx: 1,
    retryAfterMs: 200,
  });
  world.peer.send({
    type: "error",
    code: 501,
    cause: "unknownTransaction",
    message: "commit of nothing",
    retryable: false,
    tx: 1,
  });
  await world.clock.advance(200);
  expect(world.peer.all("begin")).toEqual([
    { type: "begin", tx: 1 },
    { type: "begin", tx: 1 },
  ]);
  world.peer.send({ type: "error", code: 210, cause: "publishForbidden", message: "No", retryable: false, tx: 1 });
  expect(await outcome(done)).toEqual({ code: "publishForbidden" });
  void client.transaction((tx) => tx.publish("a", 2));
  await world.clock.settle();
  expect(world.peer.last("begin").tx).toBe(2);
});

test("a lost session leaves a transaction whose COMMIT was sent with an unknown outcome", async () => {
  const world = new World();
  const client = await world.connected();
  const sent = later(client.transaction((tx) => tx.publish("a", 1)));
  await world.clock.settle();
  world.peer.end(1006);
  const unsent = later(client.transaction((tx) => tx.publish("a", 2)));
  await world.clock.advance(1_000);
  world.peer.welcome({ session: "S2", cause: "sessionExpired" });
  await world.clock.settle();
  expect(await outcome(sent)).toEqual({ code: "outcomeUnknown" });
  expect(await outcome(unsent)).toBe("pending");
  expect(world.peer.all("begin")).toEqual([{ type: "begin", tx: 2 }]);
});

test("a transaction waits for credit, and goes before the publishes of a busy client", async () => {
  const world = new World();
  const client = await world.connected({}, { credit: { records: 2, bytes: 1_000_000 } });
  for (let i = 0; i < 6; i++) void later(client.publish("a", i));
  await world.clock.settle();
  void client.transaction((tx) => {
    tx.publish("t", 1);
    tx.publish("t", 2);
  });
  await world.clock.settle();
  world.peer.send({ type: "published", upTo: 1, runs: [{ n: 1, seq: 1, count: 1 }] });
  await world.clock.settle();
  expect(world.peer.all("publish").length).toBe(1);
  world.peer.send({ type: "published", upTo: 2, runs: [{ n: 2, seq: 2, count: 1 }] });
  await world.clock.settle();
  expect(world.peer.last("publish").tx).toBe(1);
  world.peer.send({ type: "committed", tx: 1, firstSeq: 3, lastSeq: 4 });
  await world.clock.settle();
  expect(world.peer.last("publish")).toMatchObject({ first: 3 });
});

test("tx.ack() past an unsettled record of the chain, and too much in one transaction, are errors", async () => {
  const { world, client, got } = await consuming();
  const gap = later(client.transaction((tx) => tx.ack(got[1] as ReceivedRecord)));
  await world.clock.settle();
  expect(await outcome(gap)).toEqual({ code: "ackOutOfOrder" });
  const big = later(
    client.transaction((tx) => {
      for (let i = 0; i < 257; i++) tx.publish("a", i);
    }),
  );
  await world.clock.settle();
  expect(await outcome(big)).toEqual({ code: "transactionTooLarge" });
  expect(await client.transaction(() => undefined)).toEqual({ firstSeq: 0, lastSeq: 0, duplicate: false });
});
