/**
 * What every connection and session of a node shares. Made once by gateway.ts.
 * @module
 */
import type { Limits } from "../protocol/limits.ts";
import type { Balancing } from "./cluster/balancing.ts";
import type { Membership } from "./cluster/membership.ts";
import type { Features } from "./features/features.ts";
import type { Hub } from "./hub.ts";
import type { Inflow } from "./inflow.ts";
import type { LogRecord } from "./log/event-log.ts";
import type { Counters } from "./metrics.ts";
import type { Ports } from "./ports.ts";

export type Services = {
  readonly ports: Ports;
  /** Those of what begins now: replaced whole when an operator changes one. A connection keeps those that it began with. */
  limits: Limits;
  readonly node: string;
  /** The nodes that share the log, this one too. */
  readonly cluster: Membership;
  /** Which of them a client belongs to. */
  readonly balancing: Balancing;
  readonly hub: Hub;
  readonly inflow: Inflow;
  readonly counters: Counters;
  /** Called before anything of a session goes in or out: session/standstill.ts. */
  readonly look: () => void;
  readonly features: Features;
  /** Records were handed to the sockets of so many receivers, soon after they came into being. */
  readonly delivered: (records: readonly LogRecord[], receivers: number) => void;
};
