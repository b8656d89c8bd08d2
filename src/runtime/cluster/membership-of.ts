/**
 * Makes the membership of a gateway from its ports and its configuration.
 * @module
 */
import type { GatewayConfig } from "../gateway-config.ts";
import type { Counters } from "../metrics.ts";
import type { Ports } from "../ports.ts";
import type { Supervisor } from "../supervisor.ts";
import { version } from "../version.ts";
import { nodeProtocol } from "./beat.ts";
import { LoadMeter } from "./load-meter.ts";
import type { NodeFacts } from "./node-facts.ts";
import { NodeMembership } from "./node-membership.ts";

export type ClusterParts = {
  readonly ports: Ports;
  readonly config: Pick<GatewayConfig, "discovery" | "onReplaced">;
  readonly node: string;
  readonly startedAt: number;
  readonly supervisor: Supervisor;
  readonly counters: Counters;
  readonly facts: NodeFacts;
  /** In memory. */
  sessions(): number;
};

const incarnationBytes = 9;

export function membershipOf(parts: ClusterParts): NodeMembership {
  const { config, node, startedAt, supervisor, counters, facts, sessions } = parts;
  const { log, bus, clock, logger, probe, random } = parts.ports;
  const { zone, location, weight = 1, acceleratorFreeBytes } = config.discovery ?? {};
  const accelerator = acceleratorFreeBytes === undefined ? {} : { acceleratorFreeBytes };
  const meter = new LoadMeter({ clock, probe, counters, sessions, ...accelerator });
  return new NodeMembership({
    ...{ log, bus, clock, logger, facts, supervisor, detection: counters.detection },
    identity: {
      ...{ node, version, weight, startedAt },
      ...(zone === undefined ? {} : { zone }),
      ...(location === undefined ? {} : { location }),
    },
    incarnation: random.token(incarnationBytes),
    protocol: nodeProtocol,
    load: () => meter.measure(),
    replaced: (why) => config.onReplaced?.(why),
  });
}
