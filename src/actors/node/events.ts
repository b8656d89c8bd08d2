/**
 * Facts of a node's life: when it ran, with which limits, and how the connections ended that it had. They outlive every
 * release: schemas/weir/v1/node.proto is their stored form (persist.ts).
 *
 * Pure.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { LossDetails } from "../session/events.ts";

/** What the log keeps. 0: no bound. */
export type RetentionInForce = { readonly ageMs: number; readonly bytes: number; readonly records: number };

/** One socket, from upgrade to close. */
export type ConnectionEnded = {
  readonly id: string;
  /** Empty: it ended before it had one. */
  readonly session: string;
  readonly subject: string;
  readonly remoteAddress: string;
  readonly codec: string;
  /** What the client calls itself. */
  readonly agent: string;
  readonly openedAt: EpochMs;
  readonly closedAt: EpochMs;
  readonly cause: string;
  readonly details: LossDetails;
};

export type NodeEvent =
  | {
      readonly type: "Started";
      readonly at: EpochMs;
      readonly version: string;
      /** Limits in force that are not the defaults of that version. */
      readonly limits: Readonly<Record<string, number>>;
      readonly retention: RetentionInForce;
    }
  /** They changed while it ran. */
  | {
      readonly type: "Configured";
      readonly at: EpochMs;
      readonly limits: Readonly<Record<string, number>>;
      readonly retention: RetentionInForce;
    }
  | { readonly type: "Stopped"; readonly at: EpochMs; readonly reason: string }
  | {
      readonly type: "ConnectionsEnded";
      readonly at: EpochMs;
      readonly connections: readonly ConnectionEnded[];
      /** So many more ended that are not told of. */
      readonly omitted: number;
    };
