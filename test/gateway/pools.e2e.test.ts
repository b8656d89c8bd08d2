/**
 * One gateway gives a pool's work to members: within their capacity, each record to one at a time, again when it was not
 * done, until it is done or given up.
 */
import { describe, expect, test } from "bun:test";
import { numbered, text } from "../conformance/world.ts";
import { makePool, PoolPeer, payloads, viewOf } from "./pool-peer.ts";
import { Stage, until } from "./stage.ts";

describe("a pool of one gateway", () => {
  test("gives records to its members, no more at once than each takes, and is done when they are", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers", { strategy: "roundRobin" });
    const world = stage.world();
    const [publisher, a, b] = [await world.open(), await world.open(), await world.open()];
    const one = await PoolPeer.join(a, "workers", { capacity: 2 });
    const two = await PoolPeer.join(b, "workers", { capacity: 3 });
    await publisher.publish(numbered("jobs.a", 10));
    const [first, second] = [await one.take(2), await two.take(3)];
    await Promise.all([a.peer.fence(), b.peer.fence()]);
    expect([one.unread.length, two.unread.length]).toEqual([0, 0]);
    expect([...payloads(first), ...payloads(second)].map(Number).sort((x, y) => x - y)).toEqual([1, 2, 3, 4, 5]);
    const view = await viewOf(stage.gateway, "workers");
    expect([view.inFlight, view.waiting, view.capacity]).toEqual([5, 5, 5]);
    one.done(first);
    two.done(second);
    const rest = [...(await one.take(2)), ...(await two.take(3))];
    expect(rest.every(({ attempt }) => attempt === 1)).toBe(true);
    one.done(rest.slice(0, 2));
    two.done(rest.slice(2));
    await until(async () => (await viewOf(stage.gateway, "workers")).done === 10, "all is done");
    expect((await viewOf(stage.gateway, "workers")).inFlight).toBe(0);
  });

  test("gives what a lost member had to another at once, as its second attempt", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers");
    const world = stage.world();
    const [publisher, a] = [await world.open(), await world.open()];
    const one = await PoolPeer.join(a, "workers", { capacity: 3 });
    await publisher.publish(numbered("jobs.a", 3));
    expect(payloads(await one.take(3))).toEqual(["1", "2", "3"]);
    const two = await PoolPeer.join(await world.open(), "workers", { capacity: 3 });
    a.peer.close();
    const again = await two.take(3);
    expect(payloads(again)).toEqual(["1", "2", "3"]);
    expect(again.map(({ attempt }) => attempt)).toEqual([2, 2, 2]);
    two.done(again);
    await until(async () => (await viewOf(stage.gateway, "workers")).done === 3, "all is done");
    expect((await viewOf(stage.gateway, "workers")).members.length).toBe(1);
  });

  test("gives what nobody answered in time to another, and refuses the late answer with itemNotYours", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers", { ackWaitMs: 1_000, retryMs: 0 });
    const world = stage.world();
    const [publisher, a] = [await world.open(), await world.open()];
    const slow = await PoolPeer.join(a, "workers");
    await publisher.publishOne("jobs.a", "1");
    const [work] = await slow.take(1);
    const fast = await PoolPeer.join(await world.open(), "workers", { capacity: 4, weight: 100 });
    const [again] = await fast.take(1);
    expect([again?.item, again?.attempt]).toEqual([work?.item, 2]);
    slow.done([{ item: work?.item ?? 0 }]);
    expect((await a.peer.refusal("itemNotYours")).seq).toBe(work?.item);
    fast.done([{ item: again?.item ?? 0 }]);
    await until(async () => (await viewOf(stage.gateway, "workers")).done === 1, "it is done");
  });

  test("gives a failed record out again after its delay, and up after maxDeliver, with its cause", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers", { maxDeliver: 2, retryMs: 10 });
    const world = stage.world();
    const [publisher, a] = [await world.open(), await world.open()];
    const member = await PoolPeer.join(a, "workers");
    const seq = await publisher.publishOne("jobs.a", "bad");
    for (const attempt of [1, 2]) {
      const [work] = await member.take(1);
      expect(work?.attempt).toBe(attempt);
      if (work !== undefined) member.fail(work, { reason: "no such file" });
    }
    const letters = await (await world.open()).subscribe("$dead.jobs.a", { start: { kind: "all" } });
    const [letter] = await letters.take(1);
    expect(text(letter?.payload ?? new Uint8Array())).toBe("bad");
    expect(letter?.headers).toMatchObject({
      "weir-cause": "no such file",
      "weir-pool": "workers",
      "weir-seq": String(seq),
      "weir-attempts": "2",
    });
    const view = await viewOf(stage.gateway, "workers");
    expect([view.deadLettered, view.inFlight, view.waiting, view.retrying]).toEqual([1, 0, 0, 0]);
  });

  test("keeps a sticky key with one member while it lives, and moves it when it is gone", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers", { strategy: "roundRobin", stickyHeader: "customer" });
    const world = stage.world();
    const publisher = await world.open();
    const members = [
      await PoolPeer.join(await world.open(), "workers", { capacity: 100 }),
      await PoolPeer.join(await world.open(), "workers", { capacity: 100 }),
    ];
    const records = Array.from({ length: 40 }, (_, i) => ({
      topic: "jobs.a",
      payload: new TextEncoder().encode(String(i)),
      headers: { customer: `c${i % 4}` },
    }));
    publisher.peer.send({ type: "publish", first: 1, records });
    await until(() => members.reduce((sum, { unread }) => sum + unread.length, 0) === 40, "all is given out");
    const keysOf = (peer: PoolPeer) =>
      [...new Set(peer.unread.map(({ record }) => record.headers?.["customer"]))].sort();
    const [one, two] = members as [PoolPeer, PoolPeer];
    expect([...keysOf(one), ...keysOf(two)].sort()).toEqual(["c0", "c1", "c2", "c3"]);
    expect(keysOf(one).length).toBe(2);
    one.client.peer.close();
    await until(() => keysOf(two).length === 4, "its keys went to the other");
  });

  test("gives a record with a tag only to members that have it", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers");
    const world = stage.world();
    const publisher = await world.open();
    const plain = await PoolPeer.join(await world.open(), "workers", { capacity: 10 });
    const payload = new TextEncoder().encode("x");
    publisher.peer.send({
      type: "publish",
      first: 1,
      records: [{ topic: "jobs.a", payload, headers: { "weir-tag": "gpu" } }],
    });
    await publisher.settled(1, 1);
    await until(async () => (await viewOf(stage.gateway, "workers")).waiting === 1, "it waits");
    const gpu = await PoolPeer.join(await world.open(), "workers", { tags: ["gpu"] });
    expect((await gpu.take(1)).length).toBe(1);
    expect(plain.unread.length).toBe(0);
  });

  test("goes on after a restart of the gateway: what was not done is given out again, and nothing twice that was", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers");
    const publisher = await stage.world().open();
    const member = await PoolPeer.join(await stage.world().open(), "workers", { capacity: 4 });
    await publisher.publish(numbered("jobs.a", 6));
    const works = await member.take(4);
    member.done(works.slice(0, 2));
    await until(async () => (await viewOf(stage.gateway, "workers")).done === 2, "two are done");
    await stage.stop();
    await stage.start();
    const later = await PoolPeer.join(await stage.world().open(), "workers", { capacity: 10 });
    const rest = await later.take(4);
    expect(payloads(rest)).toEqual(["3", "4", "5", "6"]);
    expect(rest.map(({ attempt }) => attempt > 1)).toEqual([true, true, expect.any(Boolean), expect.any(Boolean)]);
    later.done(rest);
    await until(async () => (await viewOf(stage.gateway, "workers")).done === 6, "all is done");
  });

  test("lets a member leave when it is done with what it has, and gives it nothing new", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers");
    const world = stage.world();
    const [publisher, a] = [await world.open(), await world.open()];
    const member = await PoolPeer.join(a, "workers", { capacity: 1 });
    await publisher.publish(numbered("jobs.a", 2));
    const works = await member.take(1);
    a.peer.send({ type: "leave", ref: 77, pool: "workers" });
    await a.peer.fence();
    expect(a.peer.unread("left")).toEqual([]);
    member.done(works);
    expect(await a.peer.expect("left")).toMatchObject({ ref: 77, pool: "workers", cause: "drained" });
    expect(member.unread).toEqual([]);
    expect((await viewOf(stage.gateway, "workers")).waiting).toBe(1);
  });

  test("refuses an unknown pool, a second JOIN, answers of who is no member, and a capacity past its bound", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers");
    const { peer } = await stage.world().open();
    peer.send({ type: "join", ref: 1, pool: "nobody" });
    expect((await peer.refusal("poolUnknown")).ref).toBe(1);
    peer.send({ type: "done", pool: "workers", items: [1] });
    await peer.refusal("notMember");
    peer.send({ type: "leave", ref: 2, pool: "workers" });
    expect((await peer.refusal("notMember")).ref).toBe(2);
    peer.send({ type: "join", ref: 3, pool: "workers", capacity: 100_000 });
    expect((await peer.refusal("badFrameShape")).ref).toBe(3);
    peer.send({ type: "join", ref: 4, pool: "workers" });
    await peer.expect("joined");
    peer.send({ type: "join", ref: 5, pool: "workers" });
    expect((await peer.refusal("alreadyMember")).ref).toBe(5);
  });

  test("changes a weight, drains and removes a member, drains, resumes and deletes the pool when an operator asks", async () => {
    await using stage = await Stage.open();
    await makePool(stage.gateway, "workers");
    const pools = stage.gateway.pools();
    const world = stage.world();
    const [publisher, a] = [await world.open(), await world.open()];
    const member = await PoolPeer.join(a, "workers", { capacity: 5 });
    expect(await pools.ask("workers", { type: "weight", member: member.member, weight: 7, by: "op" })).toEqual({
      ok: true,
    });
    expect((await viewOf(stage.gateway, "workers")).members[0]?.weight).toBe(7);
    expect(await pools.ask("workers", { type: "drain", by: "op" })).toEqual({ ok: true });
    await publisher.publish(numbered("jobs.a", 1));
    await a.peer.fence();
    expect(member.unread).toEqual([]);
    expect((await viewOf(stage.gateway, "workers")).status).toBe("draining");
    await pools.ask("workers", { type: "resume", by: "op" });
    await member.take(1);
    expect(await pools.ask("workers", { type: "removeMember", member: member.member, by: "op" })).toEqual({ ok: true });
    expect((await a.peer.expect("left")).cause).toBe("removed");
    expect((await viewOf(stage.gateway, "workers")).waiting).toBe(1);
    const again = await PoolPeer.join(a, "workers");
    await again.take(1);
    expect(await pools.ask("workers", { type: "delete", by: "op" })).toEqual({ ok: true });
    expect((await a.peer.expect("left")).cause).toBe("poolDeleted");
    expect(await pools.view("workers")).toBeUndefined();
    await makePool(stage.gateway, "workers");
    expect((await viewOf(stage.gateway, "workers")).members).toEqual([]);
  });
});
