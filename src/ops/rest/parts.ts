/**
 * What the routes of REST are made of.
 *
 * Types only.
 * @module
 */
import type { Limits } from "../../protocol/limits.ts";
import type { Gateway } from "../../runtime/gateway.ts";
import type { EventLog } from "../../runtime/log/event-log.ts";
import type { Clock } from "../../runtime/ports.ts";
import type { LiveConfig } from "../config/live-config.ts";
import type { Config } from "../config/profile.ts";
import type { MetricsHistory } from "../telemetry/metrics-history.ts";
import type { Access } from "./access.ts";
import type { Alerts } from "./alerts.ts";
import type { Audit } from "./audit.ts";
import type { Common } from "./endpoint.ts";

export type RestParts = Common & {
  readonly gateway: Gateway;
  readonly log: EventLog;
  readonly clock: Clock;
  /** Those in force now. */
  readonly limits: () => Limits;
  readonly audit: Audit;
  readonly alerts: Alerts;
  /** Absent: settings cannot be seen and changed here. */
  readonly config?: LiveConfig | undefined;
  /** Who would be let in with another configuration; absent: settings say nothing of that. */
  readonly accessWith?: ((config: Config) => Access) | undefined;
  /** Absent: nothing is kept. */
  readonly history?: MetricsHistory | undefined;
};
