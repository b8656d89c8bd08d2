/**
 * The SDK's membership of a pool, frame by frame.
 */
import { expect, test } from "bun:test";
import { WeirError } from "../../src/client/mod.ts";
import { joinPool, type PoolWork } from "../../src/client/pool.ts";
import { World } from "./world.ts";

const record = (seq: number) => ({
  ...{ seq, time: 1, topic: "jobs.a", id: `s/${seq}`, lane: 2 as const },
  payload: new TextEncoder().encode(`{"n":${seq}}`),
});
const work = (item: number, attempt = 1) => ({ type: "work", pool: "p", item, attempt, record: record(item) }) as const;

async function joined(handler: (work: PoolWork) => unknown) {
  const world = new World();
  const client = await world.connected();
  const member = joinPool(client, "p", { capacity: 3, weight: 2, tags: ["gpu"] }, handler);
  const join = world.peer.last("join");
  world.peer.send({ type: "joined", ref: join.ref, pool: "p", member: "m1" });
  await member.ready;
  return { world, client, member, join };
}

test("joinPool() joins with what it was told, and tells what is done in one frame for a turn", async () => {
  const seen: number[] = [];
  const { world, join, member } = await joined((one) => seen.push(one.json<{ n: number }>().n));
  expect(join).toEqual({ type: "join", ref: join.ref, pool: "p", capacity: 3, weight: 2, tags: ["gpu"] });
  world.peer.send(work(7));
  world.peer.send(work(8));
  await world.clock.settle();
  expect(world.peer.last("done")).toEqual({ type: "done", pool: "p", items: [7, 8] });
  expect([seen, member.inFlight]).toEqual([[7, 8], 0]);
});

test("joinPool() tells a thrown error as the reason, and its delayMs as when to try again", async () => {
  const { world } = await joined(({ attempt }) => {
    throw Object.assign(new Error("no such file"), attempt > 1 ? { delayMs: 250 } : {});
  });
  world.peer.send(work(7));
  await world.clock.settle();
  expect(world.peer.last("failed")).toEqual({ type: "failed", pool: "p", item: 7, reason: "no such file" });
  world.peer.send(work(7, 2));
  await world.clock.settle();
  expect(world.peer.last("failed")).toEqual({
    type: "failed",
    pool: "p",
    item: 7,
    reason: "no such file",
    delayMs: 250,
  });
});

test("joinPool() joins again after a reconnect, aborts what was under way, and never tells of that", async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  const signals: AbortSignal[] = [];
  const { world, member } = await joined(async ({ signal }) => {
    signals.push(signal);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
  });
  world.peer.send(work(7));
  await world.clock.settle();
  expect(member.inFlight).toBe(1);
  world.peer.end(1006);
  await world.clock.advance(200);
  expect([signals[0]?.aborted, member.inFlight, member.joined]).toEqual([true, 0, false]);
  world.peer.welcome({ outcome: "resumed" });
  await world.clock.settle();
  const { ref } = world.peer.last("join");
  world.peer.send({ type: "joined", ref, pool: "p", member: "m2" });
  world.peer.send(work(7, 2));
  await world.clock.settle();
  gates[0]?.resolve();
  await world.clock.settle();
  expect(member.inFlight).toBe(1);
  gates[1]?.resolve();
  await world.clock.settle();
  expect(world.peer.last("done")).toEqual({ type: "done", pool: "p", items: [7] });
});

test("leave() waits for what is under way, and resolves when the gateway has let the member go", async () => {
  const { world, member } = await joined(() => undefined);
  let left = false;
  const leaving = member.leave().then(() => {
    left = true;
  });
  await world.clock.settle();
  const { ref } = world.peer.last("leave");
  expect(left).toBe(false);
  world.peer.send({ type: "left", ref, pool: "p", cause: "drained" });
  await leaving;
  expect(await member.ended).toBe("drained");
});

test("a membership that an operator ended stays ended; one that was lost on the way is joined again", async () => {
  const { world, member } = await joined(() => undefined);
  const { ref } = world.peer.last("join");
  world.peer.send({ type: "left", ref: 0, pool: "p", cause: "notHeard" });
  await world.clock.settle();
  const again = world.peer.last("join");
  expect(again.ref).toBeGreaterThan(ref);
  world.peer.send({ type: "joined", ref: again.ref, pool: "p", member: "m2" });
  world.peer.send({ type: "left", ref: 0, pool: "p", cause: "removed" });
  expect(await member.ended).toBe("removed");
});

test("ready rejects for a pool that is not there, and tries again for one that nobody gives out now", async () => {
  const world = new World();
  const client = await world.connected();
  const unknown = joinPool(client, "nobody", {}, () => undefined);
  const { ref } = world.peer.last("join");
  world.peer.send({ type: "error", code: 720, cause: "poolUnknown", message: "No pool", retryable: false, ref });
  const error = await unknown.ready.catch((reason: unknown) => reason);
  expect(error instanceof WeirError && error.code).toBe("poolUnknown");
  const later = joinPool(client, "p", {}, () => undefined);
  const first = world.peer.last("join").ref;
  world.peer.send({
    type: "error",
    code: 725,
    cause: "poolUnavailable",
    message: "Not now",
    retryable: true,
    ref: first,
  });
  await world.clock.advance(2_500);
  const second = world.peer.last("join");
  expect(second.ref).toBeGreaterThan(first);
  world.peer.send({ type: "joined", ref: second.ref, pool: "p", member: "m" });
  await later.ready;
});
