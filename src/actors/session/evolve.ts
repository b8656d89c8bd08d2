/**
 * Folds a session's events into its state.
 *
 * Pure and total: what was recorded happened, so nothing is refused here. Positions only move forward.
 * @module
 */
import { unreachable } from "../../protocol/assert.ts";
import type { FilterPositions, SessionEvent } from "./events.ts";
import { type LanePositions, noNaks, type SessionState, type SubscriptionState } from "./state.ts";

export function evolve(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case "Opened":
      return {
        ...state,
        status: "open",
        subject: event.subject,
        resumeKeyHash: event.resumeKeyHash,
        resumeWindowMs: event.resumeWindowMs,
        openedAt: event.at,
      };
    case "Attached":
      return { ...state, owner: event.owner, node: event.node, lastNode: event.node, connection: event.connection };
    case "Detached":
      return { ...state, node: undefined, connection: undefined, detachedAt: event.at };
    case "Subscribed": {
      const { type: _, at: __, ...subscription } = event;
      return withSubscription(state, { ...subscription, naks: noNaks });
    }
    case "Unsubscribed": {
      const subscriptions = new Map(state.subscriptions);
      subscriptions.delete(event.filter);
      return { ...state, subscriptions };
    }
    case "Acknowledged":
      return withPositions(state, event.filters);
    case "PublishedUpTo":
      return event.n > state.publishedUpTo ? { ...state, publishedUpTo: event.n } : state;
    case "PublishRefused": {
      const refused = new Map(state.refused);
      refused.set(event.n, { n: event.n, code: event.code, cause: event.cause, message: event.message });
      // It settles nothing below it: those may not be in the log yet.
      return { ...state, refused };
    }
    case "RefusalsSettled":
      return { ...state, refused: new Map([...state.refused].filter(([n]) => n > event.upTo)) };
    case "TransactionCommitted":
      return withPositions(state, event.filters);
    case "Nacked":
    case "NakSettled":
    case "DeadLettered":
      return withNak(state, event);
    case "Trimmed": // What is lost is lost; where it goes on, its next acknowledgement says.
      return state;
    case "Expired":
      return { ...state, status: "ended", node: undefined, connection: undefined, endedBecause: "expired" };
    case "Closed":
      return { ...state, status: "ended", node: undefined, connection: undefined, endedBecause: event.cause };
    default:
      return unreachable(event);
  }
}

function withSubscription(state: SessionState, subscription: SubscriptionState): SessionState {
  const subscriptions = new Map(state.subscriptions);
  subscriptions.set(subscription.filter, subscription);
  return { ...state, subscriptions };
}

function withPositions(state: SessionState, moved: readonly FilterPositions[]): SessionState {
  if (moved.length === 0) return state;
  const subscriptions = new Map(state.subscriptions);
  for (const { filter, positions } of moved) {
    const held = subscriptions.get(filter);
    if (held !== undefined) subscriptions.set(filter, { ...held, positions: furthest(held.positions, positions) });
  }
  return { ...state, subscriptions };
}

export function furthest(a: LanePositions, b: LanePositions): LanePositions {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

type NakEvent = Extract<SessionEvent, { type: "Nacked" | "NakSettled" | "DeadLettered" }>;

function withNak(state: SessionState, event: NakEvent): SessionState {
  const held = state.subscriptions.get(event.filter);
  if (held === undefined) return state;
  const naks = new Map(held.naks);
  if (event.type === "Nacked") {
    const { seq, lane, attempts, dueAt, reason } = event;
    naks.set(seq, { seq, lane, attempts, dueAt, reason });
  } else {
    naks.delete(event.seq);
  }
  return withSubscription(state, { ...held, naks });
}
