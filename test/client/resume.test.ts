import { expect, test } from "bun:test";
import type { ReceivedRecord, SubscribeOptions } from "../../src/client/mod.ts";
import { afterEnding } from "../../src/client/reconnect.ts";
import { later, outcome, records, World } from "./world.ts";

const normal = 12;

async function delivered(options: SubscribeOptions, handler: (record: ReceivedRecord) => unknown) {
  const world = new World();
  const client = await world.connected();
  client.subscribe("orders.>", options, handler);
  await world.clock.settle();
  world.peer.subscribed({ filter: "orders.>" });
  world.peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.settle();
  return { world, client };
}

test("afterEnding() obeys the range of the close code, GOAWAY's time, and full jitter", () => {
  const options = { minMs: 100, maxMs: 30_000 };
  const ending = { attempt: 0, freshToken: false, chance: 0.5 };
  expect(afterEnding({ ...ending, code: 1006 }, options)).toEqual({
    action: "reconnect",
    delayMs: 50,
    dropSession: false,
  });
  expect(afterEnding({ ...ending, code: 1006, attempt: 4 }, options)).toEqual({
    action: "reconnect",
    delayMs: 800,
    dropSession: false,
  });
  expect(afterEnding({ ...ending, code: 1006, attempt: 4_000 }, options)).toEqual({
    action: "reconnect",
    delayMs: 15_000,
    dropSession: false,
  });
  expect(afterEnding({ ...ending, code: 4003, retryAfterMs: 700 }, options)).toEqual({
    action: "reconnect",
    delayMs: 750,
    dropSession: false,
  });
  expect(afterEnding({ ...ending, code: 4200 }, options)).toEqual({
    action: "reconnect",
    delayMs: 50,
    dropSession: true,
  });
  expect(afterEnding({ ...ending, code: 4300, freshToken: true }, options)).toEqual({ action: "stop" });
  expect(afterEnding({ ...ending, code: 4302 }, options)).toEqual({ action: "stop" });
  expect(afterEnding({ ...ending, code: 4302, freshToken: true }, options).action).toBe("reconnect");
  expect(afterEnding({ ...ending, code: 4301, freshToken: true, attempt: 5 }, options)).toEqual({ action: "stop" });
  expect(afterEnding({ ...ending, code: 4501 }, options)).toEqual({ action: "stop" });
  for (const code of [1003, 1007, 1009]) expect(afterEnding({ ...ending, code }, options)).toEqual({ action: "stop" });
});

test("a lost connection is made again with growing delays until one is welcomed", async () => {
  const world = new World(() => 0.999);
  world.refuse.connects = true;
  const client = world.connect();
  const waits: number[] = [];
  client.on("disconnected", ({ retryInMs }) => waits.push(retryInMs));
  await world.clock.advance(1_450);
  expect(waits).toEqual([100, 200, 400, 799]);
  world.refuse.connects = false;
  await world.clock.advance(1_000);
  world.peer.welcome();
  expect(await outcome(client.connected())).toEqual({ value: undefined });
  expect(client.status).toBe("connected");
});

test("a handshake without WELCOME and a gateway without PONG are given up", async () => {
  const world = new World();
  world.connect();
  await world.clock.advance(10_000);
  expect(world.connections[0]?.closed?.code).toBe(4500);
  await world.clock.advance(100);
  world.peer.welcome();
  await world.clock.advance(30_000);
  expect(world.connections[1]?.closed?.code).toBe(4001);
  await world.clock.advance(1_000);
  expect(world.connections.length).toBe(3);
});

test("a terminal close ends the client with its cause: everything that waits rejects", async () => {
  const world = new World();
  const client = await world.connected();
  const superseded: string[] = [];
  client.on("superseded", (error) => superseded.push(error.code));
  const subscription = client.subscribe("a");
  const waiting = later(subscription[Symbol.asyncIterator]().next());
  const page = later(Promise.resolve(client.history("a")));
  world.peer.send({ type: "goaway", code: 4300, cause: "superseded", message: "Another connection took over" });
  world.peer.end(4300);
  await world.clock.advance(60_000);
  expect(superseded).toEqual(["superseded"]);
  expect(await outcome(waiting)).toEqual({ code: "superseded" });
  expect(await outcome(page)).toEqual({ code: "superseded" });
  expect(() => client.subscribe("b")).toThrow("Another connection took over");
  expect(world.connections.length).toBe(1);
});

test("sessionEnded reconnects without the session and tells that it was lost", async () => {
  const world = new World();
  const client = await world.connected();
  const lost: string[] = [];
  client.on("lost", ({ session, cause }) => lost.push(`${session} ${cause}`));
  let peer = await world.reconnect(4200);
  expect(peer.last("hello").session).toBeUndefined();
  peer.welcome({ session: "S2" });
  expect(lost).toEqual(["S1 sessionEnded"]);
  peer.send({ type: "goaway", code: 4200, cause: "expiredByOperator", message: "Reconnect without a session" });
  peer = await world.reconnect(4200);
  peer.welcome({ session: "S3" });
  expect(lost[1]).toBe("S2 expiredByOperator");
});

test("a resume restores subscriptions without asking, and what is under way is neither lost nor repeated", async () => {
  const release: (() => void)[] = [];
  const seen: number[] = [];
  const { world } = await delivered({ qos: 1 }, (record) => {
    seen.push(record.seq);
    return new Promise<void>((resolve) => release.push(resolve));
  });
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  peer.send({
    type: "subscribed",
    ref: 0,
    filter: "orders.>",
    qos: 1,
    chains: [{ chain: 52, lane: 2, last: 0 }],
    window: { records: 100, bytes: 100_000 },
    resume: { kind: "replay", from: 1 },
  });
  release[0]?.();
  await world.clock.advance(100);
  expect(peer.all("ack")).toEqual([]); // Not delivered on this connection yet.
  peer.send({ type: "deliver", chain: 52, prev: 0, records: records(1, 4) });
  for (let i = 1; i < 4; i++) {
    await world.clock.settle();
    release[i]?.();
  }
  await world.clock.advance(100);
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(peer.all("subscribe")).toEqual([]);
  expect(peer.last("ack").upTo).toEqual([{ chain: 52, seq: 4 }]);
});

test("at QoS 2 HELLO tells the processed positions with their epoch", async () => {
  const { world } = await delivered({ qos: 2 }, (record) =>
    record.seq === 3 ? new Promise(() => undefined) : undefined,
  );
  const peer = await world.reconnect();
  expect(peer.last("hello").epoch).toBe("E1");
  expect(peer.last("hello").positions).toContainEqual({ filter: "orders.>", lane: 2, seq: 2 });
});

test.each(["epochChanged", "ahead"] as const)(
  "the resume answer %s drops what was under way and goes on where the gateway says",
  async (kind) => {
    const release: (() => void)[] = [];
    const seen: string[] = [];
    const { world, client } = await delivered({ qos: 2 }, (record) => {
      seen.push(`${record.position.epoch}/${record.seq}`);
      return new Promise<void>((resolve) => release.push(resolve));
    });
    const answers: string[] = [];
    client.on("resume", ({ resume }) => answers.push(resume.kind));
    const peer = await world.reconnect();
    const epoch = kind === "ahead" ? "E1" : "E2";
    peer.welcome({ outcome: "resumed", epoch });
    peer.subscribed(
      { filter: "orders.>", qos: 2, resume: kind === "ahead" ? { kind, last: 0 } : { kind, first: 1 } },
      0,
    );
    release[0]?.();
    await world.clock.settle();
    peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 1) });
    await world.clock.settle();
    release[1]?.();
    await world.clock.advance(50);
    expect(seen).toEqual(["E1/1", `${epoch}/1`]);
    expect(answers).toEqual([kind]);
    expect(peer.all("ack").flatMap(({ upTo }) => upTo)).toEqual([{ chain: normal, seq: 1 }]);
  },
);

test("trimmed goes on at the first record that is held, and says so", async () => {
  const seen: number[] = [];
  const { world, client } = await delivered({ qos: 2 }, (record) => void seen.push(record.seq));
  const answers: unknown[] = [];
  client.on("resume", ({ resume }) => answers.push(resume));
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  peer.subscribed({ filter: "orders.>", qos: 2, resume: { kind: "trimmed", first: 10 } }, 9);
  peer.send({ type: "deliver", chain: normal, prev: 9, records: records(10, 2) });
  expect(seen).toEqual([1, 2, 3, 10, 11]);
  expect(answers).toEqual([{ kind: "trimmed", first: 10 }]);
});

test("in a new session subscriptions are asked for from their own positions", async () => {
  const seen: number[] = [];
  const { world } = await delivered({ qos: 2, start: "all" }, (record) => {
    seen.push(record.seq);
    return record.seq === 3 ? new Promise(() => undefined) : undefined;
  });
  const peer = await world.reconnect();
  peer.welcome({ session: "S2", cause: "sessionExpired" });
  // The lowest position of all lanes: what that repeats is skipped by the receiver's rule.
  expect(peer.last("subscribe")).toMatchObject({
    filter: "orders.>",
    start: { kind: "position", seq: 0, epoch: "E1" },
  });
  peer.subscribed({ filter: "orders.>", resume: { kind: "replay", from: 1 } }, 0);
  peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 4) });
  await world.clock.settle();
  expect(seen).toEqual([1, 2, 3]);
});

test("a record that was given back comes again although session and NAK were lost", async () => {
  const tries: number[] = [];
  const { world } = await delivered({ qos: 2 }, (record) => {
    if (record.seq !== 2) return;
    tries.push(record.attempt);
    if (record.attempt === 1) throw new Error("no");
  });
  await world.clock.advance(50);
  const peer = await world.reconnect();
  peer.welcome({ session: "S2", cause: "sessionExpired" });
  peer.subscribed({ filter: "orders.>", resume: { kind: "replay", from: 2 } }, 0);
  peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.settle();
  peer.send({ type: "deliver", chain: normal, prev: 0, records: records(1, 3) });
  await world.clock.settle();
  expect(tries).toEqual([1, 2]);
});

test("at QoS 2 a NAK is sent again after a resume, because the connection may have eaten it", async () => {
  const { world } = await delivered({ qos: 2, autoAck: false }, (record) =>
    record.seq === 1 ? record.nak() : record.ack(),
  );
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  peer.subscribed({ filter: "orders.>", qos: 2 }, 3);
  expect(peer.all("nak")).toEqual([{ type: "nak", chain: normal, seq: 1 }]);
});

test("a session's subscription that nobody asked for yet is adopted when asked, and what passed by is asked for again", async () => {
  const world = new World();
  const client = await world.connected();
  world.peer.end(1006);
  await world.clock.advance(100);
  world.peer.welcome({ outcome: "resumed" });
  world.peer.subscribed({ filter: "orders.>", ref: 0 }, 5);
  world.peer.send({ type: "deliver", chain: normal, prev: 5, records: records(6, 1) });
  const seen: number[] = [];
  client.subscribe("orders.>", (record) => void seen.push(record.seq));
  await world.clock.settle();
  expect(world.peer.all("subscribe")).toEqual([]);
  expect(world.peer.last("credit").holes).toContainEqual({ chain: normal, seq: 5 });
  world.peer.send({ type: "deliver", chain: normal, prev: 5, records: records(6, 1) });
  expect(seen).toEqual([6]);
});

test("a session's subscription that nobody asks for is ended", async () => {
  const world = new World();
  await world.connected();
  const peer = await world.reconnect();
  peer.welcome({ outcome: "resumed" });
  peer.subscribed({ filter: "old", ref: 0 });
  await world.clock.advance(10_000);
  expect(peer.last("unsubscribe").filter).toBe("old");
});

test("the token function is called for every connection, and again before the token runs out", async () => {
  const world = new World();
  let calls = 0;
  const token = () => Promise.resolve(`t${++calls}`);
  const client = await world.connected({ token }, { expiresAt: 1_000_000 + 600_000 });
  expect(world.peer.last("hello").token).toBe("t1");
  world.peer.onFrame = (frame) => {
    if (frame.type === "ping") world.peer.send({ type: "pong", id: frame.id });
  };
  await world.clock.advance(539_000);
  expect(world.peer.all("auth")).toEqual([]);
  await world.clock.advance(2_000);
  expect(world.peer.last("auth").token).toBe("t2");
  world.peer.send({ type: "authenticated", expiresAt: world.clock.now() + 100_000 });
  await world.clock.advance(80_000);
  expect(world.peer.last("auth").token).toBe("t3");
  expect(client.status).toBe("connected");
  world.peer.end(4302);
  await world.clock.advance(100);
  expect(world.peer.last("hello").token).toBe("t4");
});

test("a token function that fails is reported and tried again", async () => {
  const world = new World();
  let calls = 0;
  const client = world.connect({ token: () => (++calls === 1 ? Promise.reject(new Error("no network")) : "t") });
  const errors: string[] = [];
  client.on("error", (error) => errors.push(error.message));
  await world.clock.advance(1_000);
  expect(errors).toEqual(["The token function failed: no network"]);
  expect(world.peer.last("hello").token).toBe("t");
});
