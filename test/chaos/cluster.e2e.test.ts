/**
 * The promise on a cluster, with real processes: three nats-servers, two gateways and their clients, killed, stopped
 * and paused in random order under load. The simulator's checkers find nothing lost, nothing twice, nothing out of order.
 *
 * `CHAOS_FAULTS=40 CHAOS_SEED=7 bun test test/chaos` for a longer run in another order of faults.
 * @module
 */
import { expect, test } from "bun:test";
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { Crowd } from "../kill/crowd.ts";
import { GatewayProcess } from "../kill/gateway-process.ts";
import { checkEvidence } from "../sim/checkers.ts";
import { newEvidence, type Violation } from "../sim/evidence.ts";
import { chanceFrom } from "../sim/random.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { type NatsCluster, startNatsCluster } from "../support/nats-cluster.ts";
import { claimPort } from "../support/nats-port.ts";
import { Service } from "./service.ts";

const faults = Number(process.env["CHAOS_FAULTS"] ?? 8);
const seed = Number(process.env["CHAOS_SEED"] ?? 1);
const perFaultMs = 15_000;
const convergeMs = 150_000;
const calmMs = { min: 500, max: 2_500 };
const pauseMs = { min: 500, max: 6_000 };

type Fault = { readonly name: string; run(): Promise<void> };

function faultsOf(
  cluster: NatsCluster,
  gateways: readonly GatewayProcess[],
  wait: (range: typeof pauseMs) => Promise<void>,
) {
  const servers = cluster.nodes.flatMap((node, i): Fault[] => [
    {
      name: `kill nats ${i}`,
      run: async () => {
        await node.kill();
        await wait(pauseMs);
        await node.restart();
      },
    },
    {
      name: `stop nats ${i}`,
      run: async () => {
        await node.stop();
        await wait(pauseMs);
        await node.restart();
      },
    },
    {
      name: `pause nats ${i}`,
      run: async () => {
        await node.pause();
        await wait(pauseMs);
        node.continue();
      },
    },
  ]);
  const nodes = gateways.flatMap((gateway, i): Fault[] => [
    {
      name: `kill gateway ${i}`,
      run: async () => {
        await gateway.kill();
        await wait(pauseMs);
        await gateway.start();
      },
    },
    {
      name: `stop gateway ${i}`,
      run: async () => {
        await gateway.stop();
        await wait(pauseMs);
        await gateway.start();
      },
    },
    {
      name: `pause gateway ${i}`,
      run: async () => {
        gateway.pause();
        await wait(pauseMs);
        gateway.continue();
      },
    },
  ]);
  return [...servers, ...nodes];
}

async function makeStreams(servers: readonly string[]): Promise<void> {
  const log = await openJetStreamLog({
    servers,
    provision: { replicas: 3 },
    clock: systemClock(),
    random: systemRandom(),
    logger: { log: () => undefined },
  });
  await log.close();
}

async function untilKept(crowd: Crowd): Promise<readonly Violation[]> {
  const endMs = Date.now() + convergeMs;
  for (;;) {
    crowd.evidence.log = await crowd.log();
    const violations = checkEvidence(crowd.evidence);
    if (violations.length === 0 || Date.now() > endMs) return violations;
    await Bun.sleep(500);
  }
}

await describeOnNats("newest", "cluster", () => {
  test(
    `every promise is kept through ${faults} faults of servers and gateways (seed ${seed})`,
    async () => {
      await using stack = new AsyncDisposableStack();
      const cluster = stack.use(await startNatsCluster({ line: "newest" }));
      await makeStreams(cluster.urls);
      const log = cluster.urls.join(",");
      const ports = [await claimPort(), await claimPort()];
      const gateways = ports.map(({ port, release }) => {
        release();
        return new GatewayProcess(port, log);
      });
      for (const gateway of gateways) {
        await gateway.start();
        stack.defer(() => gateway.stop());
      }
      const crowd = new Crowd(
        gateways.map(({ url }) => url),
        newEvidence(),
      );
      stack.defer(() => crowd.close());
      await Promise.all([
        crowd.subscriber({ name: "live-2", filter: "t.>", options: { qos: 2 } }),
        crowd.subscriber({ name: "live-1", filter: "t.*", options: { qos: 1 } }),
        crowd.subscriber({ name: "live-0", filter: "t.0", options: { qos: 0 } }),
        crowd.subscriber({ name: "wildcard", filter: ">", options: { qos: 2, start: "all" } }),
        crowd.subscriber({ name: "refusing", filter: "t.2", options: { qos: 1, start: "all" }, refusesEvery: 23 }),
      ]);
      const service = await Service.start(cluster.urls, crowd.evidence, 40);
      stack.defer(() => service.close());
      for (const name of ["publisher-1", "publisher-2"]) crowd.publisher(name, 60);
      crowd.transactionWriter("writer", 10);

      const chance = chanceFrom(seed);
      const wait = ({ min, max }: typeof pauseMs) => Bun.sleep(min + chance.next() * (max - min));
      const choices = faultsOf(cluster, gateways, wait);
      const counts: Record<string, number> = {};
      for (let i = 0; i < faults; i++) {
        await wait(calmMs);
        const fault = chance.pick(choices);
        counts[fault.name] = (counts[fault.name] ?? 0) + 1;
        await fault.run();
      }
      await service.settle();
      await crowd.settle();
      const violations = await untilKept(crowd);
      const { log: stored, subscribers } = crowd.evidence;
      const processed = subscribers.map(({ name, processed: all }) => `${name} ${all.length}`).join(", ");
      console.log(`${faults} faults: ${JSON.stringify(counts)}; ${stored.length} records; processed: ${processed}`);
      expect(violations).toEqual([]);
      expect(stored.length).toBeGreaterThan(faults * 50);
    },
    faults * perFaultMs + convergeMs + 30_000,
  );
});
