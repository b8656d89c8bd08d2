/**
 * Clients under load while every gateway of a cluster is restarted in turn, one is killed, one stands still: what is
 * lost, what comes twice, how soon each client is back, and how long its records wait.
 *
 * `bun bench/migration/main.ts [--clients 5000] [--gateways 3] [--topics 100] [--rate 2] [--per-second 500]
 * [--nats 1] [--stages restart,kill,zombie]`
 * @module
 */
import { parseArgs } from "node:util";
import { type CrowdReport, judge, type Move, mostArrivals } from "../../test/migration/crowd.ts";
import { type Stage, startStage } from "../../test/migration/stage.ts";
import { Distribution } from "../load/distribution.ts";
import { CrowdProcess } from "./crowd-process.ts";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "5000" },
    gateways: { type: "string", default: "3" },
    processes: { type: "string", default: "2" },
    topics: { type: "string", default: "100" },
    rate: { type: "string", default: "2" },
    "per-second": { type: "string", default: "500" },
    nats: { type: "string", default: "1" },
    stages: { type: "string", default: "restart,kill,zombie" },
    heartbeat: { type: "string", default: "5000" },
  },
});
const count = Number(values.clients);
const perSecond = Number(values["per-second"]);
const restMs = 5_000;
const zombieMs = 30_000;
const settleMs = 90_000;

type Phase = { readonly name: string; readonly from: number; readonly to: number; readonly crashAt?: number };

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const stage = stack.use(
    await startStage({
      gateways: Number(values.gateways),
      natsServers: values.nats === "3" ? 3 : 1,
      settings: () => ({ "balancing.connectionsPerSecondMax": values["per-second"] }),
    }),
  );
  const crowds = Array.from({ length: Number(values.processes) }, () => stack.use(new CrowdProcess()));
  const each = Math.ceil(count / crowds.length);
  const spec = { urls: stage.urls, topics: Number(values.topics), publishesPerSecond: Number(values.rate) };
  await Promise.all(
    crowds.map((crowd, i) =>
      crowd.open({
        ...spec,
        first: i * each,
        clients: Math.min(each, count - i * each),
        heartbeatMs: Number(values.heartbeat),
      }),
    ),
  );
  console.log(`${count} clients on ${await nodesText(crowds)}`);
  await Promise.all(crowds.map((crowd) => crowd.publish()));
  await Bun.sleep(restMs);
  const phases: Phase[] = [];
  for (const name of values.stages.split(",")) {
    const phase = await perform(name, stage, crowds);
    phases.push(...phase);
  }
  await Promise.all(crowds.map((crowd) => crowd.settle()));
  const reports = await whole(crowds);
  print(phases, reports);
}

async function perform(name: string, stage: Stage, crowds: readonly CrowdProcess[]): Promise<Phase[]> {
  const phases: Phase[] = [];
  const timed = async (what: string, act: () => Promise<number | undefined>): Promise<void> => {
    const from = Date.now();
    const crashAt = await act();
    await everybodyBack(crowds);
    await Bun.sleep(restMs);
    phases.push({ name: what, from, to: Date.now(), ...(crashAt === undefined ? {} : { crashAt }) });
    console.log(`${what}: ${((Date.now() - from - restMs) / 1_000).toFixed(1)} s, now ${await nodesText(crowds)}`);
  };
  const [first] = stage.gateways;
  if (first === undefined) throw new Error("No gateway");
  if (name === "restart")
    for (const [i, gateway] of stage.gateways.entries())
      await timed(`restart g${i}`, async () => {
        await gateway.stop();
        await gateway.start();
        return undefined;
      });
  else if (name === "kill")
    await timed("kill -9 of g0", async () => {
      const at = Date.now();
      await first.kill();
      await Bun.sleep(restMs);
      await first.start();
      return at;
    });
  else if (name === "zombie")
    await timed(`g0 stands still for ${zombieMs / 1_000} s`, async () => {
      first.pause();
      await Bun.sleep(zombieMs);
      first.continue();
      return undefined;
    });
  else throw new Error(`Unknown stage "${name}", expected restart, kill or zombie`);
  return phases;
}

async function counts(crowds: readonly CrowdProcess[]): Promise<Map<string, number>> {
  const all = new Map<string, number>();
  for (const crowd of crowds)
    for (const [node, clients] of await crowd.nodes()) all.set(node, (all.get(node) ?? 0) + clients);
  return all;
}

async function nodesText(crowds: readonly CrowdProcess[]): Promise<string> {
  const sorted = [...(await counts(crowds))].sort(([a], [b]) => a.localeCompare(b));
  return sorted.map(([node, clients]) => `${node || "none"} ${clients}`).join(", ");
}

async function everybodyBack(crowds: readonly CrowdProcess[]): Promise<void> {
  const endMs = Date.now() + settleMs;
  while (Date.now() < endMs && (await counts(crowds)).has("")) await Bun.sleep(200);
}

/** When nothing is missing any more, or nothing comes any more. */
async function whole(crowds: readonly CrowdProcess[]): Promise<readonly CrowdReport[]> {
  for (const endMs = Date.now() + settleMs; ; ) {
    const reports = await Promise.all(crowds.map((crowd) => crowd.report()));
    if (judge(reports).missing === 0 || Date.now() > endMs) return reports;
    await Bun.sleep(1_000);
  }
}

function print(phases: readonly Phase[], reports: readonly CrowdReport[]): void {
  const moves = reports.flatMap((report) => report.moves);
  for (const { name, from, to, crashAt } of phases) {
    const of = moves.filter(({ lostAt }) => lostAt >= from && lostAt < to);
    console.log(`\n${name}: ${of.length} moves, ${of.filter(({ slotAt }) => slotAt !== undefined).length} in a slot`);
    console.log(
      `  back after slot (or loss), ms: ${text(of, (move) => move.resumedAt - (move.slotAt ?? move.lostAt))}`,
    );
    console.log(`  back after loss, ms: ${text(of, (move) => move.resumedAt - move.lostAt)}`);
    if (crashAt !== undefined)
      console.log(`  back after the crash, ms: ${text(of, (move) => move.resumedAt - crashAt)}`);
    console.log(`  latest record around the move, ms: ${text(of, ({ lateMs }) => lateMs)}`);
    const soon = of.filter((move) => move.resumedAt - (move.slotAt ?? move.lostAt) <= 2_000).length;
    console.log(`  within 2 s of their slot (or loss): ${((100 * soon) / Math.max(1, of.length)).toFixed(2)} %`);
    console.log(`  most arrivals at one node in 1 s: ${mostArrivals(of, 1_000)} (planned: ${perSecond})`);
  }
  const sum = (pick: (report: CrowdReport) => number) => reports.reduce((total, one) => total + pick(one), 0);
  const lateP99 = Math.max(...reports.map(({ lateP99Ms }) => lateP99Ms));
  console.log(`\n${JSON.stringify(judge(reports))}, ${sum(({ received }) => received)} deliveries, p99 ${lateP99} ms`);
  const losses = Map.groupBy(
    reports.flatMap((report) => report.losses),
    ([reason]) => reason,
  );
  for (const [reason, each] of losses) console.log(`  ${each.reduce((all, [, times]) => all + times, 0)} × ${reason}`);
  for (const error of new Set(reports.flatMap(({ errors }) => errors))) console.log(`  error ${error}`);
}

function text(moves: readonly Move[], pick: (move: Move) => number): string {
  const distribution = new Distribution();
  for (const move of moves) if (move.resumedAt > 0) distribution.add(pick(move));
  const [p50, p95, p99, max] = distribution.percentiles(50, 95, 99, 100);
  return `p50 ${p50}, p95 ${p95}, p99 ${p99}, max ${max}`;
}

await main();
