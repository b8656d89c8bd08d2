/**
 * What the coordinator of a pool and the nodes of its members tell each other over the bus. Fields are only ever added:
 * nodes of two releases work together.
 *
 * The bus loses messages. So a node says again what was not confirmed, and tells from time to time whom it has; what a
 * member was given and never answered goes to another after the pool's ack wait.
 * @module
 */
import { pack, unpack } from "msgpackr";
import type { PoolMember } from "../../actors/pool/events.ts";
import type { PoolSettings } from "../../actors/pool/settings.ts";
import type { DeliveredRecord } from "../../protocol/frame.ts";
import type { Seq } from "../../protocol/ids.ts";

export type WorkFor = {
  readonly member: string;
  readonly item: Seq;
  readonly attempt: number;
  readonly record: DeliveredRecord;
};
export type ItemOf = { readonly member: string; readonly item: Seq };
export type FailedItem = ItemOf & { readonly reason: string; readonly delayMs?: number };

/** What members of one node answered, in one tick. */
export type Report = {
  /** Counts the reports of that node and pool; confirmed when the journal holds it. */
  readonly number: number;
  readonly done: readonly ItemOf[];
  readonly failed: readonly FailedItem[];
};

/** To a node. All bear the term: what an older coordinator says is not heard any more. */
export type ToNode = { readonly term: number } & (
  | { readonly type: "work"; readonly works: readonly WorkFor[] }
  /** They are not this member's any more. */
  | { readonly type: "revoke"; readonly items: readonly ItemOf[] }
  | { readonly type: "ended"; readonly member: string; readonly cause: string }
  | { readonly type: "confirmed"; readonly upTo: number }
  /** A coordinator begins: tell it whom you have, and what they have. */
  | { readonly type: "call"; readonly node: string }
);

export type Held = { readonly item: Seq; readonly attempt: number };
export type Announced = { readonly member: PoolMember; readonly holds: readonly Held[] };

/** To the coordinator, from a node. */
export type FromNode = { readonly node: string; readonly term: number } & (
  | { readonly type: "leave"; readonly member: string; readonly cause: string }
  | { readonly type: "report"; readonly report: Report }
  /** Answers a call: with all reports that no coordinator has confirmed. */
  | { readonly type: "announce"; readonly members: readonly Announced[]; readonly reports: readonly Report[] }
  /** From time to time: whom it has. */
  | { readonly type: "present"; readonly members: readonly string[] }
);

/** Asked of the coordinator, which answers. */
export type Question =
  | { readonly type: "join"; readonly member: PoolMember }
  | { readonly type: "leaveGently"; readonly member: string }
  | { readonly type: "view" }
  | { readonly type: "configure"; readonly settings: PoolSettings; readonly by: string }
  | { readonly type: "weight"; readonly member: string; readonly weight: number; readonly by: string }
  | { readonly type: "drainMember"; readonly member: string; readonly by: string }
  | { readonly type: "removeMember"; readonly member: string; readonly by: string }
  | { readonly type: "drain"; readonly by: string }
  | { readonly type: "resume"; readonly by: string }
  | { readonly type: "delete"; readonly by: string };
export type Answer = { readonly ok: true; readonly view?: unknown } | { readonly ok: false; readonly because: string };

export type PoolMessage = ToNode | FromNode | Question | Answer;

export function encodeMessage(message: PoolMessage): Uint8Array {
  return pack(message);
}

/** Of another node of this cluster, which is trusted; undefined: of a kind that this release does not know. */
export function decodeMessage<T extends PoolMessage>(data: Uint8Array): T | undefined {
  const message = unpack(data) as T & { readonly type?: unknown };
  return typeof message === "object" && message !== null ? message : undefined;
}

/** The coordinator hears it, whichever node it is. */
export const coordinatorSubject = (pool: string): string => `b.pool.c.${pool}`;
export const questionSubject = (pool: string): string => `b.pool.q.${pool}`;
export const nodeSubject = (pool: string, node: string): string => `b.pool.n.${pool}.${tokenOf(node)}`;
export const allSubject = (pool: string): string => `b.pool.a.${pool}`;

/** A node's name may hold what a subject may not. */
function tokenOf(node: string): string {
  return /^[A-Za-z0-9_-]+$/.test(node) ? node : `x${Buffer.from(node).toString("base64url")}`;
}

/** A node tells so often whom it has. */
export const presentMs = 2_000;
