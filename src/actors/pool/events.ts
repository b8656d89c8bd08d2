/**
 * Facts of a pool's life. They outlive every release: schemas/weir/v1/pool.proto is their stored form (persist.ts).
 *
 * What happens per record is not told one by one: `Progressed` says from time to time how far the pool is and who holds
 * what. Only what went wrong with a record is a fact of its own.
 *
 * Pure.
 * @module
 */
import type { EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import type { PoolSettings } from "./settings.ts";

export type PoolMember = {
  /** Unique for ever: a connection that joins again is another member. */
  readonly id: string;
  /** That its connection is with. */
  readonly node: string;
  readonly session: string;
  readonly subject: string;
  readonly weight: number;
  /** Records that it has at once, at most. */
  readonly capacity: number;
  readonly tags: readonly string[];
  /** It gets nothing new. */
  readonly draining: boolean;
  readonly since: EpochMs;
};

/** A record that is not done: given out so many times, now to `member` (absent: it waits). */
export type OpenItem = { readonly item: Seq; readonly attempts: number; readonly member?: string };

export type PoolEvent = { readonly at: EpochMs } & (
  | {
      readonly type: "Created";
      readonly settings: PoolSettings;
      /** It begins after this record. */
      readonly epoch: LogEpoch;
      readonly after: Seq;
      readonly by: string;
    }
  | { readonly type: "Configured"; readonly settings: PoolSettings; readonly by: string }
  /** This node gives out the work now, as the pool's coordinator number `term`. */
  | { readonly type: "Claimed"; readonly node: string; readonly term: number }
  | { readonly type: "Released"; readonly term: number; readonly cause: string }
  | { readonly type: "MemberJoined"; readonly member: PoolMember }
  | {
      readonly type: "MemberLeft";
      readonly member: string;
      readonly cause: string;
      /** Records that it had, which go to others. */
      readonly returned: number;
    }
  | { readonly type: "WeightChanged"; readonly member: string; readonly weight: number; readonly by: string }
  | { readonly type: "MemberDrained"; readonly member: string; readonly by: string }
  /** All records of the pool up to `upTo` are settled, but those that are open. Nothing above `reserved` was given out. */
  | {
      readonly type: "Progressed";
      readonly upTo: Seq;
      readonly reserved: Seq;
      readonly open: readonly OpenItem[];
      /** Since the entry before. */
      readonly done: number;
    }
  | {
      readonly type: "Failed";
      readonly item: Seq;
      readonly member: string;
      readonly attempt: number;
      readonly reason: string;
      /** When it is given out again, at the earliest. */
      readonly dueAt: EpochMs;
    }
  | { readonly type: "DeadLettered"; readonly item: Seq; readonly attempts: number; readonly cause: string }
  /** Retention took what came before `first`, done or not. */
  | { readonly type: "Trimmed"; readonly first: Seq }
  /** The log is another one, or lost its end: seqs up to `heldTo` mean what they meant, and the pool goes on after `after`. */
  | { readonly type: "Repositioned"; readonly epoch: LogEpoch; readonly heldTo: Seq; readonly after: Seq }
  | { readonly type: "Scaled"; readonly from: number; readonly to: number; readonly why: string }
  | { readonly type: "DrainBegan"; readonly by: string }
  | { readonly type: "DrainEnded"; readonly by: string }
  | { readonly type: "Deleted"; readonly by: string }
);
