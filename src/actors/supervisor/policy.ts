/**
 * Decides what happens to an actor that threw: restarted from its journal after a growing delay, or given up after
 * a bounded number of crashes in a row.
 *
 * Pure: time arrives as `at`. Bounded: actors that have been well for a while are forgotten.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export type CrashRecord = {
  readonly crashes: number;
  readonly lastAt: EpochMs;
  readonly cause: string;
  readonly blockedUntil: EpochMs;
};
export type SupervisorState = ReadonlyMap<string, CrashRecord>;
export type Verdict = { readonly kind: "restart"; readonly delayMs: number } | { readonly kind: "give up" };

export const supervision = {
  /** Crashes in a row after which an actor is given up. */
  crashesMax: 5,
  /** Well for this long: earlier crashes are forgotten. */
  forgiveMs: 600_000,
  restartMs: 100,
  restartMsMax: 30_000,
  /** Actors remembered; beyond, the oldest crash is forgotten first. */
  rememberedMax: 10_000,
} as const;

export type Crash = { readonly actor: string; readonly cause: string; readonly at: EpochMs };

export function supervise(
  state: SupervisorState,
  crash: Crash,
): { readonly state: SupervisorState; readonly verdict: Verdict } {
  const before = state.get(crash.actor);
  const inARow = before !== undefined && crash.at - before.lastAt < supervision.forgiveMs ? before.crashes : 0;
  const crashes = inARow + 1;
  const next = new Map(state);
  next.delete(crash.actor);
  if (crashes >= supervision.crashesMax) return { state: next, verdict: { kind: "give up" } };
  const delayMs = Math.min(supervision.restartMs * 2 ** (crashes - 1), supervision.restartMsMax);
  next.set(crash.actor, { crashes, lastAt: crash.at, cause: crash.cause, blockedUntil: crash.at + delayMs });
  const oldest = next.keys().next();
  if (next.size > supervision.rememberedMax && oldest.done !== true) next.delete(oldest.value);
  return { state: next, verdict: { kind: "restart", delayMs } };
}

/** Milliseconds until the actor may be started again; 0: now. */
export function restartIn(state: SupervisorState, actor: string, now: EpochMs): number {
  return Math.max(0, (state.get(actor)?.blockedUntil ?? 0) - now);
}
