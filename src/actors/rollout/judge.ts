/**
 * Decides whether nodes of a new version do worse than the ones before: by the share of what failed, and by how late
 * records arrive.
 *
 * Pure. Owns: too little to tell is no reason to roll back.
 * @module
 */

/** What nodes did in a stretch of time. */
export type Behaviour = {
  /** Clients that were sent to them, and those who did not come in their slot. */
  readonly sent?: number;
  readonly notCome?: number;
  readonly handshakes: number;
  readonly handshakesFailed: number;
  readonly framesIn: number;
  /** ERROR frames, and connections that a node ended for a fault. */
  readonly errors: number;
  /** Absent: nothing was delivered. */
  readonly latencyP99Ms?: number;
};

export type RolloutLimits = {
  /** Share of handshakes, and of frames, that may fail beyond the share that failed before. */
  readonly errorRatioMax: number;
  /** p99 may be so many times what it was … */
  readonly latencyFactorMax: number;
  /** … and this much in any case. */
  readonly latencyMs: number;
};

/** Fewer say nothing about a share. */
const leastOfAll = 10;

/** Why to roll back. Undefined: nothing speaks for it. */
export function judge(before: Behaviour, now: Behaviour, limits: RolloutLimits): string | undefined {
  return (
    tooMany("moves", [0, 0], [now.notCome ?? 0, now.sent ?? 0], limits) ??
    tooMany(
      "handshakes",
      [before.handshakesFailed, before.handshakes],
      [now.handshakesFailed, now.handshakes],
      limits,
    ) ??
    tooMany("frames", [before.errors, before.framesIn], [now.errors, now.framesIn], limits) ??
    tooLate(before, now, limits)
  );
}

type Share = readonly [failed: number, all: number];

function tooMany(what: string, before: Share, now: Share, { errorRatioMax }: RolloutLimits): string | undefined {
  const [failed, all] = now;
  const allowed = ratio(before) + errorRatioMax;
  if (Math.max(failed, all) < leastOfAll || ratio(now) <= allowed) return undefined;
  return `${failed} of ${all} ${what} failed, ${percent(allowed)} may`;
}

function tooLate(before: Behaviour, { latencyP99Ms }: Behaviour, limits: RolloutLimits): string | undefined {
  const allowed = Math.max(limits.latencyMs, (before.latencyP99Ms ?? 0) * limits.latencyFactorMax);
  if (latencyP99Ms === undefined || latencyP99Ms <= allowed) return undefined;
  return `p99 of latency is ${latencyP99Ms} ms, ${allowed} ms may be`;
}

function ratio([failed, all]: Share): number {
  return failed === 0 ? 0 : failed / Math.max(failed, all);
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}
