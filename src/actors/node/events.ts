/**
 * Facts of a node's life: when it ran, with which limits, what it was as a member of its cluster, and how the
 * connections ended that it had. They outlive every release: schemas/weir/v1/node.proto is their stored form (persist.ts).
 *
 * Pure.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { LossDetails } from "../session/events.ts";

/**
 * joining: started, takes no clients yet · healthy · suspect: its beats are missing · unhealthy: for longer than a beat may
 * take, or it says itself that it cannot serve · draining: its clients are asked to go elsewhere · left: it said so, or
 * nobody has heard of it for long.
 */
export const nodeStatuses = ["joining", "healthy", "suspect", "unhealthy", "draining", "left"] as const;
export type NodeStatus = (typeof nodeStatuses)[number];

/** Releases of the protocol between nodes. */
export type NodeProtocol = { readonly min: number; readonly max: number };

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
  /** It is a member from now on; `incarnation` is this start of its process. */
  | {
      readonly type: "Joined";
      readonly at: EpochMs;
      readonly incarnation: string;
      readonly url: string;
      readonly version: string;
      readonly protocol: NodeProtocol;
    }
  /** As node `by` saw it, itself or another one. */
  | {
      readonly type: "StatusChanged";
      readonly at: EpochMs;
      readonly incarnation: string;
      readonly status: Exclude<NodeStatus, "left">;
      readonly by: string;
      readonly cause: string;
    }
  | {
      readonly type: "Left";
      readonly at: EpochMs;
      readonly incarnation: string;
      readonly by: string;
      readonly cause: string;
    }
  | { readonly type: "Stopped"; readonly at: EpochMs; readonly reason: string }
  | {
      readonly type: "ConnectionsEnded";
      readonly at: EpochMs;
      readonly connections: readonly ConnectionEnded[];
      /** So many more ended that are not told of. */
      readonly omitted: number;
    };
