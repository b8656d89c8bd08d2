/**
 * What a connection that asks for a session is answered.
 * @module
 */
import type { AttachRefusal } from "../../actors/session/decide.ts";
import type { Session } from "./session.ts";

export type Attached =
  | {
      readonly ok: true;
      readonly session: Session;
      readonly outcome: "opened" | "resumed";
      readonly resumeKey: string;
      readonly resumeWindowMs: number;
      /** Why the session that HELLO named was not resumed. */
      readonly cause?: AttachRefusal;
    }
  | {
      readonly ok: false;
      readonly reason: "overloaded" | "logUnavailable" | "superseded";
      readonly retryAfterMs: number;
    };

const retryAfterMs = 5_000;
export const logAway: Attached = { ok: false, reason: "logUnavailable", retryAfterMs };
export const overloaded: Attached = { ok: false, reason: "overloaded", retryAfterMs };
