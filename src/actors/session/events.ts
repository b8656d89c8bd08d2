/**
 * Facts of a session's journal. They outlive every release: schemas/weir/v1/session.proto is their stored form
 * (persist.ts), and a field is never given a second meaning.
 *
 * Pure.
 * @module
 */

import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Lane } from "../../protocol/lane.ts";
import type { LanePositions, SubscriptionState } from "./state.ts";

export type FilterPositions = { readonly filter: string; readonly positions: LanePositions };

/** What the node saw of a connection when it ended. */
export type LossDetails = {
  /** Of the WebSocket; 0: it was not closed yet. */
  readonly closeCode: number;
  /** Since the last frame from the peer. */
  readonly silentMs: number;
  /** Since its socket last took everything; 0: it did. */
  readonly congestedMs: number;
  readonly bufferedBytes: number;
  /** Sent and not acknowledged. */
  readonly unackedRecords: number;
  readonly unackedBytes: number;
};

/** The session that a client asked for, and why it did not get it. */
export type Replaced = { readonly session: string; readonly cause: string };

export type SessionEvent =
  | {
      readonly type: "Opened";
      readonly at: EpochMs;
      readonly subject: string;
      readonly resumeKeyHash: string;
      readonly resumeWindowMs: number;
      readonly instead?: Replaced;
    }
  | {
      readonly type: "Attached";
      readonly at: EpochMs;
      readonly owner: number;
      readonly node: string;
      readonly connection: string;
    }
  | {
      readonly type: "Detached";
      readonly at: EpochMs;
      readonly cause: string;
      /** Absent: nobody was there to look (the node was lost). */
      readonly details?: LossDetails;
    }
  | ({ readonly type: "Subscribed"; readonly at: EpochMs } & Omit<SubscriptionState, "naks">)
  | { readonly type: "Unsubscribed"; readonly at: EpochMs; readonly filter: string; readonly cause: string }
  | { readonly type: "Acknowledged"; readonly at: EpochMs; readonly filters: readonly FilterPositions[] }
  | { readonly type: "PublishedUpTo"; readonly at: EpochMs; readonly n: number }
  | {
      readonly type: "PublishRefused";
      readonly at: EpochMs;
      readonly n: number;
      readonly code: number;
      readonly cause: string;
      readonly message: string;
    }
  | { readonly type: "RefusalsSettled"; readonly at: EpochMs; readonly upTo: number }
  | {
      readonly type: "TransactionCommitted";
      readonly at: EpochMs;
      readonly tx: number;
      readonly records: number;
      readonly filters: readonly FilterPositions[];
    }
  | {
      readonly type: "Nacked";
      readonly at: EpochMs;
      readonly filter: string;
      readonly lane: Lane;
      readonly seq: Seq;
      readonly attempts: number;
      readonly dueAt: EpochMs;
      readonly reason: string;
    }
  /** A NAKed record was processed after all. */
  | { readonly type: "NakSettled"; readonly at: EpochMs; readonly filter: string; readonly seq: Seq }
  | {
      readonly type: "DeadLettered";
      readonly at: EpochMs;
      readonly filter: string;
      readonly lane: Lane;
      readonly seq: Seq;
      readonly attempts: number;
      readonly cause: string;
    }
  /** Retention took records that it had not acknowledged: it was at `positions`, the log now begins at `first`. */
  | {
      readonly type: "Trimmed";
      readonly at: EpochMs;
      readonly filter: string;
      readonly positions: LanePositions;
      readonly first: Seq;
    }
  /** The resume window passed without anybody attaching. */
  | { readonly type: "Expired"; readonly at: EpochMs }
  | { readonly type: "Closed"; readonly at: EpochMs; readonly cause: string };
