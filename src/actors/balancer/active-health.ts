/**
 * Active health: what a row of checks says of one that is checked now and again. The first check decides; later it takes
 * `fall` bad ones in a row to call it unhealthy, and `rise` good ones to call it healthy again (HAProxy's `rise` and
 * `fall`).
 *
 * Pure: time arrives as `at`, chance as a number. Whoever drives it asks at `nextAt`, and tells what came of it; a check
 * without an answer in time is a bad one.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export type HealthOptions = {
  /** Between two checks, in milliseconds; a tenth more or less, so that many that check do not do it at once. @default 2_000 */
  readonly intervalMs: number;
  /** 1 to 100. @default 2 */
  readonly rise: number;
  /** 1 to 100. @default 3 */
  readonly fall: number;
};

export const healthDefaults: HealthOptions = { intervalMs: 2_000, rise: 2, fall: 3 };

export type Health = {
  readonly status: "unknown" | "healthy" | "unhealthy";
  /** Checks in a row that speak against the status. */
  readonly against: number;
  readonly nextAt: EpochMs;
};

/** To be checked at once. */
export const unchecked: Health = { status: "unknown", against: 0, nextAt: 0 };

export type Checked = { readonly ok: boolean; readonly at: EpochMs; readonly chance: number };

const jitter = 0.1;

export function evolveHealth(health: Health, { ok, at, chance }: Checked, options = healthDefaults): Health {
  const nextAt = at + Math.round(options.intervalMs * (1 - jitter + 2 * jitter * chance));
  const said = ok ? "healthy" : "unhealthy";
  if (health.status === "unknown" || health.status === said) return { status: said, against: 0, nextAt };
  const against = health.against + 1;
  const isEnough = against >= (ok ? options.rise : options.fall);
  return isEnough ? { status: said, against: 0, nextAt } : { ...health, against, nextAt };
}
