/**
 * The production gateway on a free port of this machine, with a log in memory: what the suite runs against here.
 * @module
 */
import type { Limits } from "../../src/protocol/limits.ts";
import { anonymousAuthenticator } from "../../src/runtime/auth.ts";
import { localBus } from "../../src/runtime/bus/local.ts";
import { createGateway } from "../../src/runtime/gateway.ts";
import { openMemoryLog } from "../../src/runtime/log/memory.ts";
import { systemProcess } from "../../src/runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../../src/runtime/system.ts";
import { bunTransport } from "../../src/runtime/transport/bun.ts";

export type RealGateway = { readonly url: string; stop(): Promise<void> };

export async function startRealGateway(limits: Partial<Limits> = {}): Promise<RealGateway> {
  const clock = systemClock();
  const random = systemRandom();
  const log = openMemoryLog({ clock, epoch: random.token(9) });
  const authenticator = anonymousAuthenticator({ publish: [">"], subscribe: [">"] });
  const ports = {
    clock,
    random,
    digest: sha256,
    log,
    bus: localBus(clock),
    transport: bunTransport(),
    authenticator,
    logger: { log: () => undefined },
    probe: systemProcess(),
  };
  const gateway = createGateway(ports, { port: 0, limits });
  const { hostname, port } = await gateway.start();
  return {
    url: `ws://${hostname}:${port}/`,
    async stop() {
      await gateway.stop({ timeoutMs: 1_000 });
      await log.close();
    },
  };
}
