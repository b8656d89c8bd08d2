/**
 * A pool of several nodes while coordinators and members die or stand still: one owner of a record at a time, and all of it
 * done in the end.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodePoolEvent } from "../../../src/actors/pool/persist.ts";
import { loadPool } from "../../../src/runtime/pool/pool-store.ts";
import { PoolStage, type StagedMember, type StagedNode } from "./pool-stage.ts";

const pool = "workers";

async function staged(nodes = 3): Promise<PoolStage> {
  const stage = new PoolStage();
  for (let i = 0; i < nodes; i++) await stage.start();
  await stage.pass(4_000);
  await stage.make(pool);
  return stage;
}

function coordinatorOf(stage: PoolStage): StagedNode {
  const [node] = stage.coordinators(pool);
  if (node === undefined) throw new Error("Nobody coordinates it");
  return node;
}

/** Records that somebody was given and answered. */
function finish(members: readonly StagedMember[], done: Set<number>): void {
  for (const member of members) {
    if (member.gone || member.node.dead) continue;
    for (const item of [...member.doing.keys()]) {
      member.done(pool, item);
      done.add(item);
    }
  }
}

describe("a pool of several nodes", () => {
  test("gives work to members that are connected to any node, once each", async () => {
    const stage = await staged();
    for (const node of stage.alive) stage.member(node, pool, 5);
    await stage.until(() => stage.members.every(({ joined }) => joined), "all have joined");
    await stage.publish(60);
    const done = new Set<number>();
    await stage.until(() => {
      finish(stage.members, done);
      return done.size === 60;
    }, "all is done");
    expect(stage.members.every(({ works }) => works.length > 0)).toBe(true);
    expect(stage.members.reduce((sum, { works }) => sum + works.length, 0)).toBe(60);
    expect(stage.twice).toEqual([]);
  });

  test("goes on within 3 s of the detection when its coordinator dies; members of other nodes keep what they have", async () => {
    const stage = await staged();
    const dying = coordinatorOf(stage);
    const others = stage.alive.filter((node) => node !== dying);
    const [kept, lost] = [stage.member(others[0] as StagedNode, pool, 4), stage.member(dying, pool, 4)];
    await stage.until(() => kept.joined && lost.joined, "both have joined");
    await stage.publish(20);
    await stage.until(() => kept.doing.size === 4 && lost.doing.size === 4, "both have work");
    const had = [...kept.doing.keys()];
    await stage.pass(300);
    stage.kill(dying);
    const from = stage.clock.now();
    await stage.until(() => stage.coordinators(pool).length === 1, "another one goes on");
    await stage.pass(1_100);
    // Beats are missed for 2.5 s before it counts as gone.
    expect(stage.clock.now() - from).toBeLessThan(2_500 + 500 + 3_000);
    expect([...kept.doing.keys()]).toEqual(had);
    const done = new Set<number>();
    await stage.until(() => {
      finish(stage.members, done);
      return done.size === 20;
    }, "all is done");
    expect(stage.twice).toEqual([]);
    // Given out again: what the one that died had, and nothing else.
    const again = kept.works.filter(({ attempt }) => attempt > 1).map(({ item }) => item);
    for (const { item } of lost.works) expect(again).toContain(item);
    expect(kept.works.length).toBe(new Set(kept.works.map(({ item }) => item)).size);
  });

  test("what members answered while nobody coordinated is not given out again", async () => {
    const stage = await staged();
    const dying = coordinatorOf(stage);
    const other = stage.alive.find((node) => node !== dying) as StagedNode;
    const member = stage.member(other, pool, 10);
    await stage.until(() => member.joined, "it has joined");
    await stage.publish(10);
    await stage.until(() => member.doing.size === 10, "it has work");
    stage.kill(dying);
    const done = new Set<number>();
    finish(stage.members, done);
    await stage.until(() => stage.coordinators(pool).length === 1, "another one goes on");
    await stage.pass(5_000);
    expect(member.works.length).toBe(10);
    await stage.pass(1_000);
    const { state } = await stage.done(loadPool({ ports: { log: stage.log } } as never, pool));
    expect([state.open.size, state.term]).toEqual([0, 2]);
  });

  test("a coordinator that stood still gives out nothing when it goes on, and writes nothing", async () => {
    const stage = await staged();
    const still = coordinatorOf(stage);
    const other = stage.alive.find((node) => node !== still) as StagedNode;
    const [there, here] = [stage.member(other, pool, 2), stage.member(still, pool, 2)];
    await stage.until(() => there.joined && here.joined, "both have joined");
    stage.pause(still, 30_000);
    await stage.publish(12);
    await stage.until(() => stage.coordinators(pool).some((node) => node !== still), "another one goes on");
    const done = new Set<number>();
    await stage.until(() => {
      finish([there], done);
      return done.size === 12;
    }, "all is done");
    const worksBefore = here.works.length;
    await stage.pass(32_000);
    expect(here.works.length).toBe(worksBefore);
    expect(stage.coordinators(pool)).not.toContain(still);
    const entries = (await stage.done(stage.log.journals.read({ kind: "pool", id: pool }, 0, 10_000))).map(({ data }) =>
      decodePoolEvent(data),
    );
    const claims = entries.flatMap((event) => (event.type === "Claimed" ? [event.node] : []));
    expect(claims).toEqual([still.name, coordinatorOf(stage).name]);
    expect(stage.twice).toEqual([]);
  });

  test("what members of a node had that died goes to others, as soon as that is found out", async () => {
    const stage = await staged();
    const dying = stage.alive.find((node) => node !== coordinatorOf(stage)) as StagedNode;
    const [there, here] = [stage.member(dying, pool, 3), stage.member(coordinatorOf(stage), pool, 3)];
    await stage.until(() => there.joined && here.joined, "both have joined");
    await stage.publish(6);
    await stage.until(() => there.doing.size === 3 && here.doing.size === 3, "both have work");
    const lost = [...there.doing.keys()];
    stage.kill(dying);
    const done = new Set<number>();
    finish([here], done);
    await stage.until(() => here.doing.size === 3, "it has the rest", 4_000);
    expect([...here.doing.keys()]).toEqual(lost);
  });

  test("a coordinator that stops hands over at once", async () => {
    const stage = await staged(2);
    const leaving = coordinatorOf(stage);
    const from = stage.clock.now();
    await stage.done(leaving.pools.stop());
    await stage.until(() => stage.coordinators(pool).some((node) => node !== leaving), "the other one goes on");
    expect(stage.clock.now() - from).toBeLessThan(1_000);
  });

  type Step =
    | { readonly type: "publish"; readonly count: number }
    | { readonly type: "join"; readonly node: number; readonly capacity: number }
    | { readonly type: "drop" | "kill" | "pause"; readonly which: number }
    | { readonly type: "work"; readonly share: number }
    | { readonly type: "pass"; readonly ms: number };
  const anyStep: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 15 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("join" as const),
        node: fc.nat(5),
        capacity: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constantFrom("drop" as const, "kill" as const, "pause" as const),
        which: fc.nat(9),
      }),
    },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("work" as const), share: fc.integer({ min: 1, max: 3 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 50, max: 6_000 }) }),
    },
  );

  test("whatever dies, stands still or leaves: one owner at a time, and all is done", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
        const stage = await staged();
        const done = new Set<number>();
        for (const step of steps) {
          switch (step.type) {
            case "publish":
              await stage.publish(step.count);
              break;
            case "join": {
              const node = stage.alive[step.node % stage.alive.length] as StagedNode;
              if (node.pausedUntil <= stage.clock.now()) stage.member(node, pool, step.capacity);
              break;
            }
            case "drop":
              stage.members[step.which % Math.max(1, stage.members.length)]?.drop();
              break;
            case "kill":
              if (stage.alive.length > 1) stage.kill(stage.alive[step.which % stage.alive.length] as StagedNode);
              break;
            case "pause":
              stage.pause(stage.alive[step.which % stage.alive.length] as StagedNode, 5_000);
              break;
            case "work":
              finish(
                stage.members.filter(
                  ({ node }, index) => index % step.share === 0 && node.pausedUntil <= stage.clock.now(),
                ),
                done,
              );
              break;
            case "pass":
              await stage.pass(step.ms);
              break;
          }
        }
        await stage.pass(6_000);
        stage.member(stage.alive[0] as StagedNode, pool, 5);
        await stage.until(
          () => {
            finish(stage.members, done);
            return done.size === stage.published;
          },
          "all is done",
          120_000,
        );
        expect(stage.twice).toEqual([]);
        expect(stage.coordinators(pool).length).toBe(1);
      }),
      { numRuns: 25 },
    );
  }, 60_000);
});

test("a member whose connection is lost while it joins is no member, and gets nothing", async () => {
  const stage = await staged(1);
  const lost = stage.member(coordinatorOf(stage), pool, 1);
  lost.drop();
  const stays = stage.member(coordinatorOf(stage), pool, 1);
  await stage.until(() => stays.joined, "the other has joined");
  await stage.publish(1);
  await stage.until(() => stays.doing.size === 1, "the other has it");
  expect(lost.works).toEqual([]);
});
