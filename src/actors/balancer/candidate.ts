/**
 * What a balancer knows of each that it may choose (a node, a pool's member, a server behind a proxy), and which of them
 * can be chosen now.
 *
 * Pure. Owns: one that is unhealthy, draining or without weight is never chosen; one that is ejected only when all are;
 * one of a later tier only when no earlier tier has any.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

/** In degrees, WGS 84. Latitude −90 to 90, longitude −180 to 180. */
export type Location = { readonly latitude: number; readonly longitude: number };

export type Candidate = {
  readonly id: string;
  /** Share of the work that it should have, against the others'. 0: none. Finite, from 0. */
  readonly weight: number;
  /** Work in hand: connections of a node, unacknowledged items of a pool's member. */
  readonly connections: number;
  /** How long it took lately (DecayingAverage). Absent: not known, counted as the mean of the others. */
  readonly responseMs?: number;
  /** Share in use, 0 to 1. @default 0 */
  readonly cpu?: number;
  /** Share in use, 0 to 1. @default 0 */
  readonly memory?: number;
  readonly location?: Location;
  /** For slow start. Absent: it has started long ago. */
  readonly startedAt?: EpochMs;
  /** False: it does not answer, drains, or is about to leave. */
  readonly healthy: boolean;
  /** It answers, and fails: see ejection.ts. @default false */
  readonly ejected?: boolean;
  /** Failover order: of those that can be chosen, only the ones of the lowest tier are. @default 0 */
  readonly tier?: number;
};

/** So little of its weight one that has just started has at least: with nothing it would never be seen to work. */
const slowStartShareMin = 0.1;

/**
 * Share of its weight that a candidate has so long after its start, growing linearly. Envoy, "Slow start mode", with
 * aggression 1 and a minimum of 10 %.
 */
export function slowStartShare(ageMs: number, slowStartMs: number): number {
  return ageMs >= slowStartMs ? 1 : Math.max(slowStartShareMin, ageMs / slowStartMs);
}

/** Those that can be chosen now, by id, so that the order in which they were told does not matter. */
export function choosable(candidates: readonly Candidate[]): readonly Candidate[] {
  const able = candidates.filter(({ healthy, weight }) => healthy && weight > 0);
  const well = able.filter(({ ejected }) => ejected !== true);
  const of = well.length > 0 ? well : able;
  const first = of.reduce((least, { tier = 0 }) => Math.min(least, tier), Number.POSITIVE_INFINITY);
  return of.filter(({ tier = 0 }) => tier === first).sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}
