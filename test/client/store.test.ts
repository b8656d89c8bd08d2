import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IDBFactory } from "fake-indexeddb";
import { fileStore } from "../../src/client/file-store.ts";
import { type ClientStore, indexedDbStore, memoryStore } from "../../src/client/mod.ts";
import { later, outcome, records, World } from "./world.ts";

const normal = 12;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-client-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
let files = 0;

/** Each answers what opens the same store again, as a restarted process does. */
const stores: Record<string, () => () => ClientStore> = {
  memory: () => {
    const store = memoryStore();
    return () => store;
  },
  file: () => {
    const path = join(folder, `client-${++files}`);
    return () => fileStore(path);
  },
  indexedDb: () => {
    const factory = new IDBFactory();
    return () => indexedDbStore({ name: "client", factory });
  },
};

describe.each(Object.keys(stores))("store %s", (name) => {
  const fresh = (): (() => ClientStore) => (stores[name] as () => () => ClientStore)();

  test("holds what was written, without what was deleted, after it is opened again", async () => {
    const reopen = fresh();
    const first = reopen();
    expect(await first.load()).toEqual(new Map());
    await first.write([
      { key: "a", value: { payload: new Uint8Array([0, 255, 10]), headers: { $bytes: "x", payload: "y" } } },
      { key: "b", value: 1 },
    ]);
    await first.write([
      { key: "b", value: undefined },
      { key: "c", value: "new\nline" },
    ]);
    await first.close();
    const second = reopen();
    expect(await second.load()).toEqual(
      new Map<string, unknown>([
        ["a", { payload: new Uint8Array([0, 255, 10]), headers: { $bytes: "x", payload: "y" } }],
        ["c", "new\nline"],
      ]),
    );
    await second.close();
  });

  test("a restarted client resumes its session and sends its unsettled publishes with their numbers", async () => {
    const reopen = fresh();
    const world = new World();
    const before = world.connect({ store: reopen() });
    await world.until(() => world.connections.length === 1);
    await world.clock.settle();
    world.peer.welcome();
    for (const value of [1, 2, 3]) void later(before.publish("a", value));
    await world.until(() => world.peer.all("publish").length > 0);
    world.peer.send({ type: "published", upTo: 1, runs: [{ n: 1, seq: 1, count: 1 }] });
    await world.run(before.close());

    const after = world.connect({ store: reopen() });
    await world.until(() => world.connections.length === 2);
    await world.clock.settle();
    expect(world.peer.last("hello")).toMatchObject({ session: "S1", resumeKey: "key", settled: 1 });
    world.peer.welcome({ outcome: "resumed", publishedUpTo: 2 });
    void later(after.publish("a", 4));
    await world.until(() => world.peer.all("publish").flatMap((frame) => frame.records).length === 2);
    expect(world.peer.all("publish")[0]).toMatchObject({ first: 3 });
    expect(
      world.peer
        .all("publish")
        .flatMap((frame) => frame.records)
        .map(({ payload }) => new TextDecoder().decode(payload)),
    ).toEqual(["3", "4"]);
    await world.run(after.close());
  });

  test("a restarted QoS 2 subscriber goes on after its stored position and remembers what it had given back", async () => {
    const reopen = fresh();
    const world = new World();
    const seen: string[] = [];
    const run = async (outcomeOf: "opened" | "resumed") => {
      const connections = world.connections.length;
      const client = world.connect({ store: reopen() });
      client.subscribe("orders.>", { qos: 2 }, (record) => {
        seen.push(`${record.seq}#${record.attempt}`);
        if (record.seq === 2 && record.attempt === 1) throw new Error("later");
      });
      await world.until(() => world.connections.length > connections);
      await world.clock.settle();
      world.peer.welcome({ outcome: outcomeOf });
      await world.clock.settle();
      return client;
    };
    const before = await run("opened");
    world.peer.subscribed({ filter: "orders.>" });
    world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
    await world.run(before.close());
    expect(world.peer.received.slice(-2)).toMatchObject([
      { type: "nak", seq: 2 },
      { type: "ack", upTo: [{ chain: normal, seq: 3 }] },
    ]);

    const after = await run("resumed");
    expect(world.peer.last("hello").positions).toContainEqual({ filter: "orders.>", lane: 2, seq: 3 });
    world.peer.subscribed({ filter: "orders.>", qos: 2, ref: 0 }, 3);
    world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 4) });
    world.peer.send({ type: "deliver", chain: normal, prev: 0, attempt: 2, records: records(2, 1) });
    await world.clock.settle();
    await world.run(after.close());
    expect(world.peer.last("nak")).toMatchObject({ seq: 2 });
    expect(seen).toEqual(["1#1", "2#1", "3#1", "4#1", "2#2"]);
  });
});

test("with a store nothing is sent before it is stored, and a position is stored before its ACK", async () => {
  const world = new World();
  const inner = memoryStore();
  const held: (() => void)[] = [];
  let hold = false;
  const store: ClientStore = {
    ...inner,
    async write(changes) {
      if (hold) await new Promise<void>((resolve) => held.push(resolve));
      await inner.write(changes);
    },
  };
  const client = await world.connected({ store });
  client.subscribe("orders.>", { qos: 2 }, () => undefined);
  await world.clock.settle();
  world.peer.subscribed({ filter: "orders.>" });
  await world.clock.settle();
  hold = true;
  void later(client.publish("a", 1));
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 2) });
  await world.clock.advance(5_000);
  expect(world.peer.all("publish").length + world.peer.all("ack").length).toBe(0);
  hold = false;
  for (const release of held) release();
  await world.clock.advance(5_000);
  expect(world.peer.all("publish").length).toBe(1);
  expect(world.peer.last("ack").upTo).toEqual([{ chain: normal, seq: 2 }]);
});

test("a store that refuses writes is reported and tried again", async () => {
  const world = new World();
  const inner = memoryStore();
  let failures = 2;
  const store: ClientStore = {
    ...inner,
    write: (changes) => (failures-- > 0 ? Promise.reject(new Error("disk full")) : inner.write(changes)),
  };
  const client = world.connect({ store });
  const errors: string[] = [];
  client.on("error", (error) => errors.push(error.code));
  await world.clock.settle();
  world.peer.welcome();
  const done = later(client.publish("a", 1));
  await world.clock.advance(1_000);
  expect(world.peer.all("publish")).toEqual([]);
  await world.clock.advance(1_000);
  world.peer.send({ type: "published", upTo: 1, runs: [{ n: 1, seq: 1, count: 1 }] });
  expect(await outcome(done)).toMatchObject({ value: { n: 1 } });
  expect(errors).toEqual(["storeFailed", "storeFailed"]);
});

test("publishes made offline are kept over a restart and are not ambiguous in a new session", async () => {
  const world = new World();
  const store = memoryStore();
  const before = await world.connected({ store });
  void later(before.publish("a", 1));
  await world.clock.settle();
  world.refuse.connects = true;
  world.peer.end(1006);
  void later(before.publish("a", 2));
  await world.run(before.close());
  world.refuse.connects = false;
  const after = world.connect({ store });
  const unknown: number[] = [];
  after.on("lost", ({ outcomeUnknown }) => unknown.push(outcomeUnknown.length));
  await world.clock.settle();
  world.peer.welcome({ session: "S2", cause: "sessionExpired" });
  await world.clock.settle();
  expect(unknown).toEqual([1]);
  expect(
    world.peer
      .all("publish")
      .map(({ first, records: sent }) => [first, sent.map(({ payload }) => new TextDecoder().decode(payload))]),
  ).toEqual([[1, ["2"]]]);
});

test("transaction numbers are never used again after a restart", async () => {
  const world = new World();
  const store = memoryStore();
  const before = await world.connected({ store });
  void later(before.transaction((tx) => tx.publish("a", 1)));
  await world.clock.settle();
  expect(world.peer.last("begin").tx).toBe(1);
  await world.run(before.close());
  const after = world.connect({ store });
  await world.clock.settle();
  world.peer.welcome({ outcome: "resumed" });
  void later(after.transaction((tx) => tx.publish("a", 2)));
  await world.clock.settle();
  expect(world.peer.last("begin").tx).toBe(2);
});

test("the application's own processed positions count before anything else", async () => {
  const world = new World();
  const client = await world.connected();
  const seen: number[] = [];
  client.subscribe(
    "orders.>",
    { qos: 2, processed: [{ epoch: "E1", lane: 2, seq: 2 }] },
    (record) => void seen.push(record.seq),
  );
  await world.clock.settle();
  expect(world.peer.last("subscribe").start).toEqual({ kind: "position", seq: 2, epoch: "E1" });
  world.peer.subscribed({ filter: "orders.>", resume: { kind: "replay", from: 1 } }, 0);
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  expect(seen).toEqual([3]);
});

test("fileStore() drops a last line that a crash cut off, refuses a corrupt one, and stays small", async () => {
  const path = join(folder, "crash");
  const store = fileStore(path);
  await store.load();
  await store.write([{ key: "a", value: 1 }]);
  await store.close();
  await appendFile(path, '[["a","2');
  const again = fileStore(path);
  expect(await again.load()).toEqual(new Map([["a", 1]]));
  for (let i = 0; i < 400; i++) await again.write([{ key: "a", value: { payload: new Uint8Array(6_000) } }]);
  expect((await stat(path)).size).toBeLessThan(1_100_000);
  expect((await stat(path)).mode & 0o077).toBe(0);
  await again.close();
  await appendFile(path, "{garbage\n");
  expect(
    await fileStore(path)
      .load()
      .catch((error: Error) => error.message),
  ).toContain("is corrupt at line");
  expect((await readFile(path, "utf8")).endsWith("{garbage\n")).toBe(true);
});

test("connect() refuses at once what is no store, and says what a store has", () => {
  for (const store of [{}, { load: () => undefined }, null, "place.json"]) {
    expect(() => new World().connect({ store: store as never })).toThrow(
      expect.objectContaining({
        name: "WeirError",
        code: "badOption",
        message: expect.stringContaining("not a store with functions load, write, close"),
      }),
    );
  }
});
