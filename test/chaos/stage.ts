/**
 * A cluster of three nats-servers, two gateways on it, and two client processes. Every connection between gateways and
 * NATS, and between clients and gateways, goes through a proxy of its own.
 * @module
 */
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { ChildProcess } from "../kill/child-process.ts";
import { GatewayProcess } from "../kill/gateway-process.ts";
import { type NatsCluster, startNatsCluster } from "../support/nats-cluster.ts";
import { claimPort } from "../support/nats-port.ts";
import { startTcpProxy } from "../support/nats-proxy.ts";
import type { NatsServer } from "../support/nats-server.ts";
import type { Link, Targets, Victim } from "./faults.ts";

export type Stage = AsyncDisposable & {
  readonly cluster: NatsCluster;
  readonly children: readonly ChildProcess[];
  /** Of the gateways, for clients. */
  readonly urls: readonly string[];
  readonly targets: Targets;
};

const gatewayCount = 2;
const replicas = 3;
const startTriesMax = 5;

export async function startStage(): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startNatsCluster({ line: "newest" }));
  await makeStreams(cluster.urls);
  const gateways: GatewayProcess[] = [];
  const [natsLinks, clientLinks]: [Link[], Link[]] = [[], []];
  for (let i = 0; i < gatewayCount; i++) {
    const { port, release } = await claimPort();
    stack.defer(release);
    const toNats = await Promise.all(cluster.nodes.map((node) => startTcpProxy(node.port)));
    for (const proxy of toNats) stack.use(proxy);
    const gateway = new GatewayProcess(port, toNats.map((proxy) => `nats://127.0.0.1:${proxy.port}`).join(","));
    stack.defer(() => gateway.kill());
    await gateway.start();
    gateways.push(gateway);
    natsLinks.push(toNats);
    clientLinks.push([stack.use(await startTcpProxy(port))]);
  }
  const urls = clientLinks.flat().map(({ port }) => `ws://127.0.0.1:${port}/`);
  const children = ["child-1", "child-2"].map((name) => stack.use(new ChildProcess(urls, name)));
  const held = stack.move();
  return {
    cluster,
    children,
    urls,
    targets: {
      servers: cluster.nodes.map(serverVictim),
      gateways: gateways.map(gatewayVictim),
      clients: children,
      natsLinks,
      clientLinks,
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

function serverVictim(node: NatsServer): Victim {
  return {
    kill: () => node.kill(),
    stop: () => node.stop(),
    pause: () => node.pause(),
    continue: () => node.continue(),
    start: () => node.restart(),
  };
}

/** What runs a service starts it again when it ends: a gateway that cannot reach its log yet does. */
function gatewayVictim(gateway: GatewayProcess): Victim {
  return {
    kill: () => gateway.kill(),
    stop: () => gateway.stop(),
    pause: () => gateway.pause(),
    continue: () => gateway.continue(),
    async start() {
      for (let tries = 1; ; tries++) {
        try {
          return await gateway.start();
        } catch (error) {
          if (tries >= startTriesMax) throw error;
          await gateway.kill();
        }
      }
    },
  };
}

async function makeStreams(servers: readonly string[]): Promise<void> {
  const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };
  const log = await openJetStreamLog({ servers, provision: { replicas }, ...ports });
  await log.close();
}
