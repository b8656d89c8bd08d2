/**
 * Three gateway processes on one nats-server, and clients under load that are moved between them: by restarts of all
 * gateways in turn, by a drain of a share, by the death of one. Nothing is lost, nothing comes twice, no session ends.
 */
import { expect, test } from "bun:test";
import { connect } from "../../src/client/mod.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { Crowd, judge, type Move, mostArrivals } from "./crowd.ts";
import { apiKey, type Stage, startStage } from "./stage.ts";

const clients = 60;
const topics = 6;
const perSecond = 50;
const nothingWrong = { missing: 0, duplicates: 0, holes: 0, sessionsLost: 0, unacknowledged: 0 };
const waitMs = 30_000;

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = Date.now() + waitMs; !holds(); await Bun.sleep(50))
    if (Date.now() > endMs) throw new Error(`Did not happen within ${waitMs} ms: ${what}`);
}

function everybodyIs(crowd: Crowd, where: (node: string) => boolean): boolean {
  return [...crowd.nodes().keys()].every((node) => node !== "" && where(node));
}

async function crowdOn(stage: Stage) {
  const crowd = new Crowd({ urls: stage.urls, first: 0, clients, topics, publishesPerSecond: 5 });
  await crowd.open();
  crowd.publish();
  return Object.assign(crowd, { [Symbol.asyncDispose]: () => crowd.close() });
}

async function verdictOf(crowd: Crowd) {
  await crowd.settle();
  const { published, ...verdict } = await (async () => {
    await until("every record arrives", () => judge([crowd.report()]).missing === 0);
    return judge([crowd.report()]);
  })();
  expect(published).toBeGreaterThan(0);
  return verdict;
}

/** As the gateways planned it. */
function inSlots(moves: readonly Move[]): readonly Move[] {
  return moves.map((move) => ({ ...move, resumedAt: move.slotAt ?? 0 }));
}

/** Commits three records at a time, and counts what a subscriber gets of them. */
async function transactions(stage: Stage) {
  const client = connect(stage.urls, { agent: "transactions" });
  const seen = new Map<string, number>();
  await client.subscribe("tx.*", { qos: 2 }, (record) => {
    seen.set(record.text(), (seen.get(record.text()) ?? 0) + 1);
  }).ready;
  let running = true;
  let committed = 0;
  const work = (async () => {
    for (; running; committed++) {
      await client.transaction((tx) => {
        for (const topic of ["a", "b", "c"]) tx.publish(`tx.${topic}`, new TextEncoder().encode(String(committed)));
      });
      await Bun.sleep(5);
    }
  })();
  const settle = async () => {
    running = false;
    await work;
    await until("every committed record arrives", () => seen.size === committed);
    await client.close();
    return { committed, wrong: [...seen.values()].filter((times) => times !== 3).length };
  };
  return { settle };
}

await describeOnNats("newest", "migration", () => {
  test("a rolling restart of all gateways moves every client in its slot; records, transactions and sessions go on", async () => {
    await using stage = await startStage({
      gateways: 3,
      settings: () => ({ "balancing.connectionsPerSecondMax": String(perSecond) }),
    });
    await using crowd = await crowdOn(stage);
    const writer = await transactions(stage);
    const sizes: number[] = [];
    for (const [i, gateway] of stage.gateways.entries()) {
      const before = crowd.report().moves.length;
      await gateway.stop();
      await gateway.start();
      await until(`nobody is on g${i} that was stopped`, () => everybodyIs(crowd, () => true));
      const moves = crowd.report().moves.slice(before);
      sizes.push(moves.length);
      expect(moves.filter(({ slotAt }) => slotAt === undefined)).toEqual([]);
      expect(moves.filter(({ slotAt = 0, lostAt }) => lostAt < slotAt - 50)).toEqual([]);
      expect(mostArrivals(inSlots(moves), 1_000)).toBeLessThanOrEqual(perSecond * 1.1);
    }
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(clients / 3);
    const { committed, wrong } = await writer.settle();
    expect([committed > 10, wrong]).toEqual([true, 0]);
    expect(await verdictOf(crowd)).toEqual(nothingWrong);
  });

  test("a drain of a share moves so many to the node that is named; the death of a node brings its clients to the others", async () => {
    await using stage = await startStage({ gateways: 3 });
    await using crowd = await crowdOn(stage);
    const cli = ["drain", "g0", "--url", stage.gateways[1]?.http ?? "", "--share", "50", "--to", "g2"];
    const main = `${import.meta.dir}/../../src/ops/cli/main.ts`;
    const drain = Bun.spawn([process.execPath, main, ...cli], {
      env: { ...process.env, WEIR_TOKEN: apiKey },
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await new Response(drain.stdout).text()).toContain("g0: 10 gone, 0 have a slot, 0 wait");
    expect(await drain.exited).toBe(0);
    await until("the clients have moved", () => crowd.nodes().get("g2") === 30);
    expect(Object.fromEntries(crowd.nodes())).toEqual({ g0: 10, g1: 20, g2: 30 });

    await stage.gateways[2]?.kill();
    await until("everybody is on the nodes that live", () => everybodyIs(crowd, (node) => node !== "g2"));
    expect(await verdictOf(crowd)).toEqual(nothingWrong);
  });
});
