import { expect, test } from "bun:test";
import { later, outcome, records, World } from "./world.ts";

test("history() answers one page when awaited", async () => {
  const world = new World();
  const client = await world.connected();
  const page = Promise.resolve(client.history("orders.>", { limit: 2, backward: true, from: { time: 5 } }));
  await world.clock.settle();
  expect(world.peer.last("read")).toEqual({
    type: "read",
    ref: 1,
    filter: "orders.>",
    limit: 2,
    backward: true,
    start: { kind: "time", time: 5 },
  });
  world.peer.send({ type: "page", ref: 1, records: records(3, 2), epoch: "E1", next: 5, firstSeq: 1, lastSeq: 9 });
  const { records: got, ...rest } = await page;
  expect(got.map((record) => [record.seq, record.topic, record.json<number>()])).toEqual([
    [3, "orders.eu", 3],
    [4, "orders.eu", 4],
  ]);
  expect(rest).toEqual({ epoch: "E1", firstSeq: 1, lastSeq: 9, next: { seq: 5, epoch: "E1" } });
});

test("history() iterates over pages until the end, over a reconnect", async () => {
  const world = new World();
  const client = await world.connected();
  const seen: number[] = [];
  const done = (async () => {
    for await (const page of client.history("orders.>")) seen.push(...page.records.map(({ seq }) => seq));
  })();
  await world.clock.settle();
  world.peer.send({ type: "page", ref: 1, records: records(1, 2), epoch: "E1", next: 2, firstSeq: 1, lastSeq: 3 });
  await world.clock.settle();
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  expect(peer.last("read")).toMatchObject({ start: { kind: "position", seq: 2, epoch: "E1" } });
  peer.send({ type: "page", ref: peer.last("read").ref, records: records(3, 1), epoch: "E1", firstSeq: 1, lastSeq: 3 });
  await done;
  expect(seen).toEqual([1, 2, 3]);
});

test("history() that is refused rejects; unknown options are errors", async () => {
  const world = new World();
  const client = await world.connected();
  const page = later(Promise.resolve(client.history("secret")));
  await world.clock.settle();
  world.peer.send({ type: "error", code: 211, cause: "subscribeForbidden", message: "No", retryable: false, ref: 1 });
  expect(await outcome(page)).toEqual({ code: "subscribeForbidden" });
  expect(() => client.history("a", { limits: 3 } as never)).toThrow('Unknown option "limits" of history');
});
