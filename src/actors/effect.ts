/**
 * Every act that a statechart may ask of the runtime, as data. The runtime performs them (`perform` of
 * src/runtime/connection.ts, session/sessions.ts and cluster/; of a rollout: src/ops/rollout); a test reads them instead.
 *
 * Pure.
 * @module
 */
import type { CloseName } from "../protocol/close-code.ts";
import type { NodeStatus } from "./node/events.ts";

export type ConnectionEffect =
  /** Look whether the peer was heard in time: PING it, or give it up. */
  | { readonly type: "check liveness" }
  /** GOAWAY, then close the socket. */
  | { readonly type: "say goodbye"; readonly reason: CloseName; readonly cause: string }
  /** End the socket at once. */
  | { readonly type: "terminate socket" }
  /** The connection is over: let go of its session. */
  | { readonly type: "release session"; readonly cause: string };

export type SessionEffect = { readonly type: "expire session" };

export type RolloutEffect =
  /** Answered with `baseline.taken`. */
  | { readonly type: "take baseline" }
  /** From old nodes to new ones, this share of those who are still there; answered with `clients.moved`. */
  | { readonly type: "move clients"; readonly share: number }
  /** The old nodes take clients again, and everybody goes there; answered with `clients.returned`. */
  | { readonly type: "take clients back" };

/** The member is in another status now: whoever asked to know, and its journal. */
export type NodeEffect = { readonly type: "tell status"; readonly status: NodeStatus; readonly cause: string };
