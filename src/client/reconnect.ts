/**
 * Decides what follows the end of a connection: try again (when, with or without the session), or stop.
 *
 * Pure: chance comes in as a number. Full jitter over an exponential bound, so that a thousand clients of a
 * gateway that restarts come back spread out; the close code's range and GOAWAY.retryAfterMs are obeyed.
 * @module
 */
import { afterClose } from "../protocol/after-close.ts";
import { closeNumbers } from "../protocol/code-numbers.ts";

export type ReconnectOptions = {
  /** Bound of the first delay, in milliseconds. @default 100 */
  readonly minMs: number;
  /** Bound of the longest delay. @default 30_000 */
  readonly maxMs: number;
};

export type Ending = {
  readonly code: number;
  /** From GOAWAY. */
  readonly retryAfterMs?: number;
  /** Failures in a row before this one. */
  readonly attempt: number;
  /** Whether a new token can be had (the `token` option is a function). */
  readonly freshToken: boolean;
  /** Uniform in [0, 1). */
  readonly chance: number;
};

export type Afterwards =
  | { readonly action: "reconnect"; readonly delayMs: number; readonly dropSession: boolean }
  | { readonly action: "stop" };

/** Tokens that are refused this often in a row will not become better. */
const tokenAttemptsMax = 5;
const exponentMax = 30;

export function afterEnding(ending: Ending, options: ReconnectOptions): Afterwards {
  const bound = Math.min(options.maxMs, options.minMs * 2 ** Math.min(ending.attempt, exponentMax));
  const delayMs = Math.round((ending.retryAfterMs ?? 0) + ending.chance * bound);
  switch (afterClose(ending.code)) {
    case "resume":
      return { action: "reconnect", delayMs, dropSession: false };
    case "reopen":
      return { action: "reconnect", delayMs, dropSession: true };
    case "wait": {
      const tokenProblem = ending.code === closeNumbers.unauthenticated || ending.code === closeNumbers.tokenExpired;
      if (!tokenProblem || !ending.freshToken || ending.attempt >= tokenAttemptsMax) return { action: "stop" };
      return { action: "reconnect", delayMs, dropSession: false };
    }
    case "stop":
      return { action: "stop" };
  }
}
