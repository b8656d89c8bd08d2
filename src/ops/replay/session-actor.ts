/**
 * Sessions as somebody who looks back sees them: the fold that gateways make, shown as JSON and in sentences.
 *
 * Pure.
 * @module
 */
import type { FilterPositions, SessionEvent } from "../../actors/session/events.ts";
import { evolve } from "../../actors/session/evolve.ts";
import { decodeEvent } from "../../actors/session/persist.ts";
import { initialState, type SessionState, type SubscriptionState } from "../../actors/session/state.ts";
import { laneNames } from "../../protocol/lane.ts";
import { decodeSnapshot } from "../../runtime/session/snapshot.ts";
import type { JsonObject } from "./actor.ts";
import type { Fold } from "./journal-actor.ts";
import { counted, milliseconds, tries } from "./text.ts";

export const sessionFold: Fold<SessionState, SessionEvent> = {
  kind: "session",
  statechart: "session",
  id: /^[\w-]{1,128}$/,
  initial: initialState,
  decode: decodeEvent,
  evolve,
  restore: decodeSnapshot,
  typeOf: (event) => event.type,
  stateName,
  view,
  summary,
  show,
};

/** As the session's statechart has it (actors/session/machine.ts). */
function stateName(state: SessionState): string {
  if (state.status === "none") return "none";
  if (state.status === "ended") return state.endedBecause === "expired" ? "expired" : "closed";
  return state.node === undefined ? "detached" : "attached";
}

function view(state: SessionState): JsonObject {
  const { status, subject, resumeWindowMs, openedAt, owner, node, connection, detachedAt, publishedUpTo } = state;
  return {
    status,
    subject,
    openedAt,
    resumeWindowMs,
    owner,
    node: node ?? null,
    connection: connection ?? null,
    // Of an attached session it is when it was away last.
    detachedAt: detachedAt === 0 || state.node !== undefined ? null : detachedAt,
    endedBecause: state.endedBecause ?? null,
    publishedUpTo,
    refused: Array.from(state.refused.values(), ({ n, code, cause, message }) => ({ n, code, cause, message })),
    subscriptions: Array.from(state.subscriptions.values(), subscriptionView),
  };
}

function subscriptionView(held: SubscriptionState): JsonObject {
  const { filter, qos, positions, lastOnlyUpTo, window, congestion, ackWaitMs, maxDeliver } = held;
  return {
    ...{
      filter,
      qos,
      positions: [...positions],
      lastOnlyUpTo,
      window: { ...window },
      congestion,
      ackWaitMs,
      maxDeliver,
    },
    naks: Array.from(held.naks.values(), ({ seq, lane, attempts, dueAt, reason }) => ({
      ...{ seq, lane: laneNames[lane], attempts, dueAt, reason },
    })),
  };
}

/** Everything of the event but what only the resume key's holder should know. */
function show(event: SessionEvent): JsonObject {
  if (event.type !== "Opened") return event as unknown as JsonObject;
  const { resumeKeyHash: _, ...rest } = event;
  return rest as unknown as JsonObject;
}

function summary(event: SessionEvent): string {
  switch (event.type) {
    case "Opened":
      return `Opened for ${event.subject === "" ? "an anonymous client" : `"${event.subject}"`}, resumable for ${milliseconds(event.resumeWindowMs)}${instead(event)}`;
    case "Attached":
      return `Attached to ${event.node} by connection ${event.connection}, its owner number ${event.owner}`;
    case "Detached":
      return `Detached: ${event.cause}${event.details === undefined ? "" : lossText(event.details)}`;
    case "Subscribed":
      return `Subscribed ${event.filter} with QoS ${event.qos} from ${positionsText(event.positions)}, ${event.maxDeliver === 0 ? "tries without end" : `at most ${tries(event.maxDeliver)}`}`;
    case "Unsubscribed":
      return `Unsubscribed ${event.filter}: ${event.cause}`;
    case "Acknowledged":
      return `Acknowledged ${filtersText(event.filters)}`;
    case "PublishedUpTo":
      return `Published up to ${event.n}`;
    case "PublishRefused":
      return `Publish ${event.n} refused: ${event.cause}, ${event.message}`;
    case "RefusalsSettled":
      return `Refusals up to ${event.upTo} seen by the client`;
    case "TransactionCommitted":
      return `Transaction ${event.tx} committed with ${counted(event.records, "record")}${event.filters.length === 0 ? "" : `, acknowledged ${filtersText(event.filters)}`}`;
    default:
      return laterSummary(event);
  }
}

type Later = Extract<
  SessionEvent,
  { type: "Nacked" | "NakSettled" | "DeadLettered" | "Trimmed" | "Expired" | "Closed" }
>;

function laterSummary(event: Later): string {
  switch (event.type) {
    case "Nacked":
      return `Record ${event.seq} of ${event.filter} given back after ${tries(event.attempts)} (${event.reason}), again at ${new Date(event.dueAt).toISOString()}`;
    case "NakSettled":
      return `Record ${event.seq} of ${event.filter} processed after it had been given back`;
    case "DeadLettered":
      return `Record ${event.seq} of ${event.filter} given up after ${tries(event.attempts)}: ${event.cause}`;
    case "Trimmed":
      return `Retention took records of ${event.filter} that it had not acknowledged: it was at ${positionsText(event.positions)}, the log begins at ${event.first}`;
    case "Expired":
      return "Expired: nobody came back in time";
    case "Closed":
      return `Closed: ${event.cause}`;
  }
}

function instead({ instead }: Extract<SessionEvent, { type: "Opened" }>): string {
  return instead === undefined ? "" : `, instead of ${instead.session}: ${instead.cause}`;
}

function lossText(details: NonNullable<Extract<SessionEvent, { type: "Detached" }>["details"]>): string {
  const { silentMs, unackedRecords, unackedBytes } = details;
  return `, last heard ${milliseconds(silentMs)} before, ${counted(unackedRecords, "record")} (${unackedBytes} bytes) not acknowledged`;
}

function filtersText(filters: readonly FilterPositions[]): string {
  return filters.map(({ filter, positions }) => `${filter} up to ${positionsText(positions)}`).join(", ");
}

/** One number where the lanes agree. */
function positionsText(positions: readonly number[]): string {
  if (new Set(positions).size === 1) return String(positions[0]);
  return positions.map((seq, lane) => `${laneNames[lane]} ${seq}`).join(" ");
}
