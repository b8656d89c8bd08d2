/**
 * What a session is, as its journal tells it. Rebuilt by folding events (evolve.ts); never written elsewhere.
 *
 * Pure.
 * @module
 */

import type { Qos, Window } from "../../protocol/frame.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Lane } from "../../protocol/lane.ts";

/** Acknowledged position per lane. */
export type LanePositions = readonly [Seq, Seq, Seq, Seq];

/** A record that waits for a later redelivery. */
export type PendingNak = {
  readonly seq: Seq;
  readonly lane: Lane;
  /** Deliveries so far. */
  readonly attempts: number;
  readonly dueAt: EpochMs;
  readonly reason: string;
};

export type SubscriptionState = {
  readonly filter: string;
  readonly qos: Qos;
  readonly positions: LanePositions;
  /** Up to this seq only the newest record of each topic is owed (start `last`). */
  readonly lastOnlyUpTo: Seq;
  readonly window: Window;
  readonly congestion: "skip" | "conflate";
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
  /** By seq. */
  readonly naks: ReadonlyMap<Seq, PendingNak>;
};

export type RefusedNumber = {
  readonly n: number;
  readonly code: number;
  readonly cause: string;
  readonly message: string;
};

export type SessionState = {
  readonly status: "none" | "open" | "ended";
  readonly subject: string;
  readonly resumeKeyHash: string;
  readonly resumeWindowMs: number;
  readonly openedAt: EpochMs;
  /** Count of owners so far; fences the older ones. */
  readonly owner: number;
  /** Node that owns it now; undefined while detached. */
  readonly node: string | undefined;
  /** Node that had it last: while it waits to be resumed, it waits in that one's memory. */
  readonly lastNode: string | undefined;
  /** The connection that has it now; undefined while detached. */
  readonly connection: string | undefined;
  readonly detachedAt: EpochMs;
  readonly publishedUpTo: number;
  readonly refused: ReadonlyMap<number, RefusedNumber>;
  readonly subscriptions: ReadonlyMap<string, SubscriptionState>;
  readonly endedBecause: string | undefined;
};

const none = new Map<never, never>();

export const initialState: SessionState = {
  status: "none",
  subject: "",
  resumeKeyHash: "",
  resumeWindowMs: 0,
  openedAt: 0,
  owner: 0,
  node: undefined,
  lastNode: undefined,
  connection: undefined,
  detachedAt: 0,
  publishedUpTo: 0,
  refused: none,
  subscriptions: none,
  endedBecause: undefined,
};
export const noNaks: ReadonlyMap<Seq, PendingNak> = none;
