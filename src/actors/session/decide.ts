/**
 * Decides what a session command does: facts to record, or a rejection that goes back to the client.
 *
 * Pure: time arrives inside the command as `at`. Owns: one owner at a time, a filter held once, bounded lists.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { CloseName } from "../../protocol/close-code.ts";
import type { ErrorName } from "../../protocol/error-code.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Lane } from "../../protocol/lane.ts";
import type { Limits } from "../../protocol/limits.ts";
import type { FilterPositions, LossDetails, Replaced, SessionEvent } from "./events.ts";
import type { LanePositions, RefusedNumber, SessionState, SubscriptionState } from "./state.ts";

/** A NAKed record that is processed now. */
export type SettledNak = { readonly filter: string; readonly seq: Seq };

export type SessionCommand = { readonly at: EpochMs } /** A new session begins attached. */ & (
  | {
      readonly type: "Open";
      readonly subject: string;
      readonly resumeKeyHash: string;
      readonly resumeWindowMs: number;
      readonly node: string;
      readonly connection: string;
      readonly instead?: Replaced;
    }
  | {
      readonly type: "Attach";
      readonly subject: string;
      readonly resumeKeyHash: string;
      readonly node: string;
      readonly connection: string;
    }
  | {
      readonly type: "Detach";
      readonly owner: number;
      readonly cause: string;
      readonly details?: LossDetails;
      readonly positions: readonly FilterPositions[];
      readonly publishedUpTo: number;
    }
  | ({ readonly type: "Subscribe" } & Omit<SubscriptionState, "naks">)
  | { readonly type: "Unsubscribe"; readonly filter: string; readonly cause: string }
  /** The log does not go as far any more, or is another one: the subscription goes on from here, which may be earlier. */
  | { readonly type: "Reposition"; readonly filter: string; readonly positions: LanePositions }
  | { readonly type: "Acknowledge"; readonly positions: readonly FilterPositions[]; readonly publishedUpTo: number }
  | { readonly type: "RefusePublishes"; readonly refused: readonly RefusedNumber[] }
  | { readonly type: "SettleRefusals"; readonly upTo: number }
  | {
      readonly type: "CommitTransaction";
      readonly tx: number;
      readonly records: number;
      readonly positions: readonly FilterPositions[];
      readonly settled: readonly SettledNak[];
    }
  | {
      readonly type: "Nak";
      readonly filter: string;
      readonly lane: Lane;
      readonly seq: Seq;
      readonly delayMs: number;
      readonly reason: string;
      readonly attempts: number;
    }
  | { readonly type: "SettleNak"; readonly filter: string; readonly seq: Seq }
  | {
      readonly type: "DeadLetter";
      readonly filter: string;
      readonly lane: Lane;
      readonly seq: Seq;
      readonly attempts: number;
      readonly cause: string;
    }
  | { readonly type: "NoteTrimmed"; readonly filter: string; readonly positions: LanePositions; readonly first: Seq }
  | { readonly type: "Expire" }
  /** Attached or not: what was reached until then is told with it. */
  | {
      readonly type: "Close";
      readonly owner: number;
      readonly cause: string;
      readonly positions: readonly FilterPositions[];
      readonly publishedUpTo: number;
    }
);

/** Why a session cannot be attached. */
type AttachRefusal = "sessionUnknown" | "sessionExpired" | "resumeKeyWrong" | "subjectChanged";
export type Rejection = AttachRefusal | ErrorName | CloseName;
export type Decision =
  | { readonly ok: true; readonly events: readonly SessionEvent[] }
  | { readonly ok: false; readonly rejection: Rejection };

const nothing: Decision = { ok: true, events: [] };
const refuse = (rejection: Rejection): Decision => ({ ok: false, rejection });
const record = (...events: SessionEvent[]): Decision => ({ ok: true, events });

export function decide(state: SessionState, command: SessionCommand, limits: Limits): Decision {
  const { at } = command;
  switch (command.type) {
    case "Open":
      if (state.status !== "none") return refuse("sessionEnded");
      return record(
        {
          type: "Opened",
          at,
          subject: command.subject,
          resumeKeyHash: command.resumeKeyHash,
          resumeWindowMs: command.resumeWindowMs,
          ...(command.instead === undefined ? {} : { instead: command.instead }),
        },
        { type: "Attached", at, owner: 1, node: command.node, connection: command.connection },
      );
    case "Attach":
      return attach(state, command);
    case "Detach":
      return detach(state, command);
    case "Subscribe":
      if (state.subscriptions.has(command.filter)) return refuse("alreadySubscribed");
      if (state.subscriptions.size >= limits.subscriptionsPerSessionMax) return refuse("tooManySubscriptions");
      return record({ ...command, type: "Subscribed" });
    case "Reposition":
      return reposition(state, command);
    case "Unsubscribe":
      if (!state.subscriptions.has(command.filter)) return refuse("notSubscribed");
      return record({ type: "Unsubscribed", at, filter: command.filter, cause: command.cause });
    case "Acknowledge":
      return { ok: true, events: progress(state, command.at, command) };
    case "RefusePublishes":
      if (state.refused.size + command.refused.length > limits.refusedPublishesMax) return refuse("tooManyRefused");
      return record(...command.refused.map((refused) => ({ type: "PublishRefused", at, ...refused }) as const));
    case "SettleRefusals":
      for (const n of state.refused.keys())
        if (n <= command.upTo) return record({ type: "RefusalsSettled", at, upTo: command.upTo });
      return nothing;
    case "CommitTransaction":
      return record(
        { type: "TransactionCommitted", at, tx: command.tx, records: command.records, filters: command.positions },
        ...command.settled.map(({ filter, seq }) => ({ type: "NakSettled", at, filter, seq }) as const),
      );
    case "Nak":
    case "SettleNak":
    case "DeadLetter":
      return decideNak(state, command, limits);
    case "NoteTrimmed":
      if (!state.subscriptions.has(command.filter)) return nothing;
      return record({ ...command, type: "Trimmed" });
    case "Expire":
      return state.status === "open" && state.node === undefined ? record({ type: "Expired", at }) : nothing;
    case "Close":
      if (state.status !== "open" || command.owner !== state.owner) return nothing;
      return record(...progress(state, at, command), { type: "Closed", at, cause: command.cause });
    default:
      return unreachable(command);
  }
}

type Of<T extends SessionCommand["type"]> = Extract<SessionCommand, { type: T }>;

function attach(state: SessionState, command: Of<"Attach">): Decision {
  if (state.status === "none") return refuse("sessionUnknown");
  if (state.status === "ended") return refuse("sessionExpired");
  if (state.resumeKeyHash !== command.resumeKeyHash) return refuse("resumeKeyWrong");
  if (state.subject !== command.subject) return refuse("subjectChanged");
  return record({
    type: "Attached",
    at: command.at,
    owner: state.owner + 1,
    node: command.node,
    connection: command.connection,
  });
}

/** A detach of an older owner changes nothing: the session is somebody else's already. */
function detach(state: SessionState, command: Of<"Detach">): Decision {
  if (state.status !== "open" || state.node === undefined || command.owner !== state.owner) return nothing;
  return {
    ok: true,
    events: [
      ...progress(state, command.at, command),
      {
        type: "Detached",
        at: command.at,
        cause: command.cause,
        ...(command.details === undefined ? {} : { details: command.details }),
      },
    ],
  };
}

type Progress = { readonly positions: readonly FilterPositions[]; readonly publishedUpTo: number };

function progress(state: SessionState, at: EpochMs, command: Progress): SessionEvent[] {
  const events: SessionEvent[] = [];
  const filters = command.positions.filter(({ filter, positions }) => {
    const held = state.subscriptions.get(filter)?.positions;
    return held !== undefined && positions.some((seq, lane) => seq > (held[lane] as Seq));
  });
  if (filters.length > 0) events.push({ type: "Acknowledged", at, filters });
  if (command.publishedUpTo > state.publishedUpTo) events.push({ type: "PublishedUpTo", at, n: command.publishedUpTo });
  return events;
}

function decideNak(state: SessionState, command: Of<"Nak" | "SettleNak" | "DeadLetter">, limits: Limits): Decision {
  const held = state.subscriptions.get(command.filter);
  if (held === undefined) return refuse("notSubscribed");
  const { at, filter, seq } = command;
  if (command.type === "SettleNak")
    return held.naks.has(seq) ? record({ type: "NakSettled", at, filter, seq }) : nothing;
  if (command.type === "DeadLetter") {
    const { lane, attempts, cause } = command;
    return record({ type: "DeadLettered", at, filter, lane, seq, attempts, cause });
  }
  if (!held.naks.has(seq) && pendingNaks(state) >= limits.naksPerSessionMax) return refuse("tooManyNaks");
  const { lane, attempts, reason } = command;
  return record({ type: "Nacked", at, filter, lane, seq, attempts, dueAt: at + command.delayMs, reason });
}

/** Subscribed anew: positions that only move forward could not go back. What waits behind the new ones waits no more. */
function reposition(state: SessionState, { at, filter, positions }: Of<"Reposition">): Decision {
  const held = state.subscriptions.get(filter);
  if (held === undefined) return refuse("notSubscribed");
  const { naks, ...subscription } = held;
  const kept = [...naks.values()].filter(({ lane, seq }) => seq <= positions[lane]);
  return record(
    { ...subscription, type: "Subscribed", at, positions },
    ...kept.map((nak) => ({ ...nak, type: "Nacked", at, filter }) as const),
  );
}

function pendingNaks(state: SessionState): number {
  let count = 0;
  for (const subscription of state.subscriptions.values()) count += subscription.naks.size;
  return count;
}
