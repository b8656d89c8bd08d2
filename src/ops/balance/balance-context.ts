/**
 * What every connection of the proxy works with.
 *
 * Types only.
 * @module
 */
import type { Clock, Logger } from "../../runtime/ports.ts";
import type { BackendLink } from "./backend-link.ts";
import type { Backends } from "./backends.ts";
import type { BalanceLimits } from "./balance-limits.ts";
import type { BalanceMetrics } from "./balance-metrics.ts";
import type { IdleSweep } from "./idle-sweep.ts";
import type { Stickiness } from "./stickiness.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";
import type { Tunnel } from "./tunnel.ts";

export type BalanceContext = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: BalanceLimits;
  readonly backends: Backends;
  readonly link: BackendLink;
  readonly sweep: IdleSweep;
  readonly metrics: BalanceMetrics;
  readonly trusted: TrustedProxies;
  readonly stickiness: Stickiness;
  /** What this process calls itself in Via; no other does. */
  readonly via: string;
  readonly tunnels: Set<Tunnel>;
};
