/**
 * Several gateways of one process on one JetStream log, each with its own connection to NATS.
 */

import { codecs } from "../../src/protocol/codecs.ts";
import { limits } from "../../src/protocol/limits.ts";
import { anonymousAuthenticator } from "../../src/runtime/auth.ts";
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
  /** Sockets and few words for a client of this gateway. */
  world(): World;
};

export type SharedLog = {
  /** One more gateway on the same log. */
  gateway(options?: { readonly url?: string }): Promise<SharedGateway>;
};

export function sharedLog(natsUrl: string, replicas = 1): SharedLog {
  const name = `g${process.pid}-${++logs}`;
  return { gateway: async ({ url = natsUrl } = {}) => await startGateway(url, name, replicas) };
}

async function startGateway(url: string, name: string, replicas: number): Promise<SharedGateway> {
  const [clock, random, probe] = [systemClock(), systemRandom(), systemProcess()];
  const log = await openJetStreamLog({ servers: [url], name, provision: { replicas }, clock, random, logger });
  const bus = natsBus({ ...log.connection, clock });
  const authenticator = anonymousAuthenticator({ publish: [">"], subscribe: [">"] });
  const ports = { clock, random, digest: sha256, log, bus, transport: bunTransport(), authenticator, logger, probe };
  const gateway: Gateway = createGateway(ports, { port: 0 });
  const { port } = await gateway.start();
  const worlds: World[] = [];
  return {
    log,
    port,
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
