/**
 * Several gateways as real processes on one real nats-server, or on three.
 * @module
 */
import { environmentName } from "../../src/ops/config/names.ts";
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { GatewayProcess } from "../kill/gateway-process.ts";
import { startNatsCluster } from "../support/nats-cluster.ts";
import { claimPort } from "../support/nats-port.ts";
import { startNatsServer } from "../support/nats-server.ts";

export type Stage = AsyncDisposable & {
  readonly gateways: readonly GatewayProcess[];
  /** Of the gateways, for clients. */
  readonly urls: readonly string[];
  readonly natsUrls: readonly string[];
};

export type StageOptions = {
  readonly gateways: number;
  /** @default 1 */
  readonly natsServers?: 1 | 3;
  /** Of gateway `index`. */
  readonly settings?: (index: number) => Readonly<Record<string, string>>;
};

/** Of every gateway's REST. */
export const apiKey = "migration-test-key-of-an-operator";

export async function startStage({ gateways: count, natsServers = 1, settings }: StageOptions): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const natsUrls =
    natsServers === 1 ? [stack.use(await startNatsServer()).url] : stack.use(await startNatsCluster()).urls;
  await makeStreams(natsUrls, natsServers);
  const hash = new Bun.CryptoHasher("sha256").update(apiKey).digest("hex");
  const gateways = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { port, release } = await claimPort();
      stack.defer(release);
      const given = {
        "discovery.node": `g${index}`,
        "security.apiKeys": `test:admin:${hash}`,
        ...settings?.(index),
      };
      const env = Object.entries(given).map(([name, value]) => [environmentName(name), value]);
      const gateway = new GatewayProcess(port, natsUrls.join(","), Object.fromEntries(env));
      stack.defer(() => gateway.kill());
      await gateway.start();
      return gateway;
    }),
  );
  const held = stack.move();
  return {
    gateways,
    urls: gateways.map(({ url }) => url),
    natsUrls,
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function makeStreams(servers: readonly string[], replicas: number): Promise<void> {
  const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };
  const log = await openJetStreamLog({ servers, provision: { replicas }, ...ports });
  await log.close();
}
