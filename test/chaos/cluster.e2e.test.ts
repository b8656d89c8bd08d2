/**
 * The promise on a cluster, with real processes: three nats-servers, two gateways, clients of every kind and a service
 * that knows only NATS. Processes are killed, stopped and stood still, connections cut, stalled and deafened, in
 * random order under load. The simulator's checkers find nothing lost, nothing twice, nothing out of order, no
 * transaction half seen; and no session ever has two owners.
 *
 * `CHAOS_FAULTS=40 CHAOS_SEED=7 bun test test/chaos` for a longer run in another order of faults; with
 * `CHAOS_REPORT=<file>` its numbers are added to that file.
 * @module
 */
import { expect, test } from "bun:test";
import { appendFileSync } from "node:fs";
import { Crowd } from "../kill/crowd.ts";
import { checkEvidence } from "../sim/checkers.ts";
import { type Evidence, newEvidence, type Violation } from "../sim/evidence.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { faultKinds, faultOrder } from "./faults.ts";
import { checkOwners, readJournals } from "./owners.ts";
import { countsOf, reportOf } from "./report.ts";
import { Service } from "./service.ts";
import { type Stage, startStage } from "./stage.ts";

const asked = Number(process.env["CHAOS_FAULTS"] ?? 0);
const seed = Number(process.env["CHAOS_SEED"] ?? 1);
const report = process.env["CHAOS_REPORT"];
const shortRun = 8;
/** Together the short runs have every kind of fault. */
const runs = asked > 0 ? [{ from: 0, faults: asked }] : [0, shortRun].map((from) => ({ from, faults: shortRun }));
const perFaultMs = 20_000;
const convergeMs = 150_000;

type Cast = { readonly crowd: Crowd; readonly service: Service };

async function startCast({ urls, cluster }: Stage, stack: AsyncDisposableStack): Promise<Cast> {
  const crowd = new Crowd(urls, newEvidence());
  stack.defer(() => crowd.close());
  const slow = { window: { records: 16 } };
  await Promise.all([
    crowd.subscriber({ name: "live-2", filter: "t.>", options: { qos: 2 } }),
    crowd.subscriber({ name: "live-1", filter: "t.*", options: { qos: 1 } }),
    crowd.subscriber({ name: "live-0", filter: "t.0", options: { qos: 0 } }),
    crowd.subscriber({ name: "wildcard", filter: ">", options: { qos: 2, start: "all" } }),
    crowd.subscriber({ name: "behind", filter: "t.1", options: { qos: 2, start: "all", ...slow }, takesMs: 10 }),
    crowd.subscriber({ name: "refusing", filter: "t.2", options: { qos: 1, start: "all" }, refusesEvery: 23 }),
    crowd.pipeline("pipeline", 10),
  ]);
  const service = await Service.start(cluster.urls, crowd.evidence, 40);
  stack.defer(() => service.close());
  for (const name of ["publisher-1", "publisher-2"]) crowd.publisher(name, 60);
  crowd.transactionWriter("writer", 10);
  return { crowd, service };
}

/** How often each kind of fault was there. */
async function breakThings({ targets }: Stage, { from, faults }: (typeof runs)[number]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const order = faultOrder(faultKinds(targets), seed);
  for (let i = 0; i < from + faults; i++) {
    const { kind, begin, end, holdMs, calmMs } = order.next().value;
    if (i < from) continue;
    await Bun.sleep(calmMs);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    await begin();
    await Bun.sleep(holdMs);
    await end();
  }
  return counts;
}

/** With the facts of the client processes, as they were at the last look. */
async function untilKept(crowd: Crowd, { children }: Stage): Promise<readonly [Evidence, readonly Violation[]]> {
  const endMs = Date.now() + convergeMs;
  for (;;) {
    crowd.evidence.log = await crowd.log();
    const evidence = children.reduce((all, child) => child.addTo(all), crowd.evidence);
    const violations = checkEvidence(evidence);
    if (violations.length === 0 || Date.now() > endMs) return [evidence, violations];
    await Bun.sleep(500);
  }
}

await describeOnNats("newest", "cluster", () => {
  for (const run of runs) {
    test(
      `every promise is kept through faults ${run.from + 1} to ${run.from + run.faults} of seed ${seed}`,
      async () => {
        await using stack = new AsyncDisposableStack();
        const stage = stack.use(await startStage());
        const { crowd, service } = await startCast(stage, stack);
        const startedAt = performance.now();
        const faults = await breakThings(stage, run);
        for (const child of stage.children) child.stopPublishing();
        await service.settle();
        await crowd.settle();
        const seconds = Math.round((performance.now() - startedAt) / 1_000);
        const [evidence, kept] = await untilKept(crowd, stage);
        const owners = checkOwners(await readJournals(stage.cluster.urls));
        const violations = [...kept, ...owners.violations];
        const { version } = stage.cluster.nodes[0] as (typeof stage.cluster.nodes)[number];
        const versions = { "nats-server": version, Bun: Bun.version };
        const text = reportOf({ seed, from: run.from, seconds, faults, evidence, owners, violations, versions });
        console.info(text);
        if (report !== undefined) appendFileSync(report, text);
        expect(violations).toEqual([]);
        expect(countsOf(evidence).acknowledged).toBeGreaterThan(run.faults * 50);
      },
      run.faults * perFaultMs + convergeMs + 60_000,
    );
  }
});
