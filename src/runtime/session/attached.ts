/**
 * What a connection that asks for a session is answered.
 * @module
 */
import type { SessionState } from "../../actors/session/state.ts";
import type { Session } from "./session.ts";

export type Attached =
  | {
      readonly ok: true;
      readonly session: Session;
      readonly outcome: "opened" | "resumed";
      readonly resumeKey: string;
      readonly resumeWindowMs: number;
      /** Why the session that HELLO named was not resumed; of one that has ended, why it did. */
      readonly cause?: string;
    }
  | {
      readonly ok: false;
      readonly reason: "overloaded" | "logUnavailable" | "superseded";
      readonly retryAfterMs: number;
    };

const retryAfterMs = 5_000;
export const logAway: Attached = { ok: false, reason: "logUnavailable", retryAfterMs };
export const overloaded: Attached = { ok: false, reason: "overloaded", retryAfterMs };

/** Who asks for a session has its key, and is who opened it. */
export function refusalOf(
  state: SessionState,
  asks: { readonly subject: string; readonly resumeKeyHash: string },
): string | undefined {
  if (state.status === "none") return "sessionUnknown";
  if (state.status === "ended") return endOf(state);
  if (state.resumeKeyHash !== asks.resumeKeyHash) return "resumeKeyWrong";
  return state.subject === asks.subject ? undefined : "subjectChanged";
}

/** An operator who ended it, or a bug, is no time that ran out. */
function endOf({ endedBecause = "expired" }: SessionState): string {
  return endedBecause === "expired" ? "sessionExpired" : endedBecause;
}
