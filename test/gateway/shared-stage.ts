/**
 * Several gateways of one process on one JetStream log, each with its own connection to NATS.
 */

import { codecs } from "../../src/protocol/codecs.ts";
import { limits } from "../../src/protocol/limits.ts";
import { anonymousAuthenticator } from "../../src/runtime/auth.ts";
import type { Bus } from "../../src/runtime/bus/bus.ts";
import { natsBus } from "../../src/runtime/bus/nats.ts";
import { createGateway, type Gateway } from "../../src/runtime/gateway.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { systemProcess } from "../../src/runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../../src/runtime/system.ts";
import { bunTransport } from "../../src/runtime/transport/bun.ts";
import { World } from "../conformance/world.ts";

const logger = { log: () => undefined };
const waitMs = 10_000;
let logs = 0;

export type SharedGateway = AsyncDisposable & {
  readonly log: EventLog;
  readonly port: number;
  readonly gateway: Gateway;
  /** Sockets and few words for a client of this gateway. */
  world(): World;
};

export type SharedLog = {
  readonly name: string;
  /** One more gateway on the same log. */
  gateway(options?: SharedGatewayOptions): Promise<SharedGateway>;
};
export type SharedGatewayOptions = {
  readonly url?: string;
  readonly node?: string;
  /** The bus as the gateway sees it. */
  readonly bus?: (bus: Bus) => Bus;
};

export function sharedLog(natsUrl: string, replicas = 1): SharedLog {
  const name = `g${process.pid}-${++logs}`;
  return { name, gateway: async (options = {}) => await startGateway({ url: natsUrl, ...options }, name, replicas) };
}

async function startGateway(
  { url, node, bus: seenAs = (bus) => bus }: SharedGatewayOptions & { readonly url: string },
  name: string,
  replicas: number,
): Promise<SharedGateway> {
  const [clock, random, probe] = [systemClock(), systemRandom(), systemProcess()];
  const log = await openJetStreamLog({ servers: [url], name, provision: { replicas }, clock, random, logger });
  const bus = seenAs(natsBus({ ...log.connection, clock }));
  const authenticator = anonymousAuthenticator({ publish: [">"], subscribe: [">"] });
  const ports = { clock, random, digest: sha256, log, bus, transport: bunTransport(), authenticator, logger, probe };
  const gateway: Gateway = createGateway(ports, { port: 0, ...(node === undefined ? {} : { node }) });
  const { port } = await gateway.start();
  const worlds: World[] = [];
  return {
    log,
    port,
    gateway,
    world: () => {
      const target = { url: `ws://127.0.0.1:${port}/`, codec: codecs.msgpack, handshakeMs: limits.handshakeMs, waitMs };
      const world = new World(target);
      worlds.push(world);
      return world;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(worlds.map((world) => world.end()));
      await gateway.stop({ timeoutMs: 1_000 });
      await bus.close();
      await log.close();
      probe.stop();
    },
  };
}
