/**
 * A production gateway as a process of the simulated world.
 * @module
 */

import { limits } from "../../src/protocol/limits.ts";
import { localBus } from "../../src/runtime/bus/local.ts";
import { natsBus } from "../../src/runtime/bus/nats.ts";
import { createGateway } from "../../src/runtime/gateway.ts";
import { lifecycleEvents } from "../../src/runtime/lifecycle/fact.ts";
import type { EventLog } from "../../src/runtime/log/event-log.ts";
import { JetStreamLog } from "../../src/runtime/log/jetstream/log.ts";
import { sha256 } from "../../src/runtime/system.ts";
import { stillProcess } from "../support/still-process.ts";
import { portsClock, type SimProcess } from "./clock.ts";
import type { World } from "./world.ts";

export type GatewayUnderTest = {
  readonly process: SimProcess;
  /** Settles when it listens. */
  readonly started: Promise<unknown>;
  stop(): Promise<void>;
  stopping: boolean;
};

const anonymous = { subject: "", publish: [">"], subscribe: [">"] };

export function startGateway(world: World, process: SimProcess, log: EventLog): GatewayUnderTest {
  const chance = world.chance.fork(process.name);
  const clock = portsClock(world.clock, process, () => world.skewMs);
  const gateway = createGateway(
    {
      clock,
      random: { next: chance.next, token: chance.token },
      digest: sha256,
      log,
      bus: log instanceof JetStreamLog ? natsBus({ ...log.connection, clock }) : localBus(clock),
      transport: world.network.transport(process),
      authenticator: { authenticate: async () => ({ ok: true, identity: anonymous }) },
      probe: stillProcess(),
      logger: { log: (level, event, fields) => process.alive && world.gatewayReported(level, event, fields) },
    },
    {
      limits: { ...limits, publishCreditRecords: world.creditRecords },
      lifecycleEvents: world.lifecycle ? lifecycleEvents : [],
    },
  );
  return { process, started: gateway.start(), stop: () => gateway.stop().then(() => log.close()), stopping: false };
}
