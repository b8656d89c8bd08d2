/**
 * Session events as their journal stores them: schemas/weir/v1/session.proto. The only place that knows both forms.
 *
 * Pure.
 * @module
 */
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { assert, unreachable } from "../../protocol/assert.ts";
import {
  SessionEventSchema,
  type SessionEvent as Stored,
  type LossDetails as StoredLoss,
  type FilterPositions as StoredPositions,
} from "../../protocol/gen/weir/v1/session_pb.js";
import { isLane, type Lane } from "../../protocol/lane.ts";
import type { FilterPositions, LossDetails, SessionEvent } from "./events.ts";
import { readHotEvent } from "./persist-hot.ts";
import type { LanePositions } from "./state.ts";

type StoredEvent = NonNullable<MessageInitShape<typeof SessionEventSchema>["event"]>;

export function encodeEvent(event: SessionEvent): Uint8Array {
  return toBinary(SessionEventSchema, create(SessionEventSchema, { atMs: BigInt(event.at), event: toStored(event) }));
}

export function decodeEvent(data: Uint8Array): SessionEvent {
  return readHotEvent(data) ?? decodeAnyEvent(data);
}

/** Any event, at the general decoder's pace. */
export function decodeAnyEvent(data: Uint8Array): SessionEvent {
  const stored = fromBinary(SessionEventSchema, data);
  return fromStored(stored.event, Number(stored.atMs));
}

const filtersOf = (filters: readonly FilterPositions[]) =>
  filters.map(({ filter, positions }) => ({ filter, positions: positions.map(BigInt) }));

function toStored(event: SessionEvent): StoredEvent {
  switch (event.type) {
    case "Opened": {
      const { subject, resumeKeyHash, resumeWindowMs, instead } = event;
      const asked = instead === undefined ? {} : { insteadOf: instead.session, insteadCause: instead.cause };
      return { case: "opened", value: { subject, resumeKeyHash, resumeWindowMs: BigInt(resumeWindowMs), ...asked } };
    }
    case "Attached":
      return {
        case: "attached",
        value: { owner: BigInt(event.owner), node: event.node, connection: event.connection },
      };
    case "Detached":
      return { case: "detached", value: { cause: event.cause, ...lossValue(event.details) } };
    case "Subscribed":
      return { case: "subscribed", value: subscribedValue(event) };
    case "Unsubscribed":
      return { case: "unsubscribed", value: { filter: event.filter, cause: event.cause } };
    case "Acknowledged":
      return { case: "acknowledged", value: { filters: filtersOf(event.filters) } };
    case "PublishedUpTo":
      return { case: "publishedUpTo", value: { n: BigInt(event.n) } };
    case "PublishRefused":
      return {
        case: "publishRefused",
        value: { n: BigInt(event.n), code: event.code, cause: event.cause, message: event.message },
      };
    case "RefusalsSettled":
      return { case: "refusalsSettled", value: { upTo: BigInt(event.upTo) } };
    case "TransactionCommitted":
      return {
        case: "transactionCommitted",
        value: { tx: BigInt(event.tx), records: event.records, filters: filtersOf(event.filters) },
      };
    case "Nacked": {
      const { filter, lane, attempts, reason } = event;
      return {
        case: "nacked",
        value: { filter, lane, attempts, reason, seq: BigInt(event.seq), dueAtMs: BigInt(Math.round(event.dueAt)) },
      };
    }
    case "NakSettled":
      return { case: "nakSettled", value: { filter: event.filter, seq: BigInt(event.seq) } };
    case "DeadLettered": {
      const { filter, lane, attempts, cause } = event;
      return { case: "deadLettered", value: { filter, lane, attempts, cause, seq: BigInt(event.seq) } };
    }
    case "Trimmed": {
      const { filter, positions, first } = event;
      return { case: "trimmed", value: { filter, positions: positions.map(BigInt), first: BigInt(first) } };
    }
    case "Expired":
      return { case: "expired", value: {} };
    case "Closed":
      return { case: "closed", value: { cause: event.cause } };
    default:
      return unreachable(event);
  }
}

function subscribedValue(event: Extract<SessionEvent, { type: "Subscribed" }>) {
  return {
    filter: event.filter,
    qos: event.qos,
    positions: event.positions.map(BigInt),
    lastOnlyUpTo: BigInt(event.lastOnlyUpTo),
    windowRecords: event.window.records,
    windowBytes: BigInt(event.window.bytes),
    conflate: event.congestion === "conflate",
    ackWaitMs: BigInt(event.ackWaitMs),
    maxDeliver: event.maxDeliver,
  };
}

function fromStored(event: Stored["event"], at: number): SessionEvent {
  switch (event.case) {
    case "opened": {
      const { subject, resumeKeyHash, resumeWindowMs, insteadOf, insteadCause } = event.value;
      const instead = insteadOf === "" ? {} : { instead: { session: insteadOf, cause: insteadCause } };
      return { type: "Opened", at, subject, resumeKeyHash, resumeWindowMs: Number(resumeWindowMs), ...instead };
    }
    case "attached":
      return {
        type: "Attached",
        at,
        owner: Number(event.value.owner),
        node: event.value.node,
        connection: event.value.connection,
      };
    case "detached":
      return { type: "Detached", at, cause: event.value.cause, ...lossFrom(event.value.details) };
    case "subscribed":
      return subscribedEvent(event.value, at);
    case "unsubscribed":
      return { type: "Unsubscribed", at, filter: event.value.filter, cause: event.value.cause };
    case "acknowledged":
      return { type: "Acknowledged", at, filters: event.value.filters.map(positionsFrom) };
    case "publishedUpTo":
      return { type: "PublishedUpTo", at, n: Number(event.value.n) };
    case "publishRefused": {
      const { n, code, cause, message } = event.value;
      return { type: "PublishRefused", at, n: Number(n), code, cause, message };
    }
    case "refusalsSettled":
      return { type: "RefusalsSettled", at, upTo: Number(event.value.upTo) };
    case "transactionCommitted": {
      const { tx, records, filters } = event.value;
      return { type: "TransactionCommitted", at, tx: Number(tx), records, filters: filters.map(positionsFrom) };
    }
    case "nacked": {
      const { filter, lane, seq, attempts, dueAtMs, reason } = event.value;
      return {
        type: "Nacked",
        at,
        filter,
        lane: laneFrom(lane),
        seq: Number(seq),
        attempts,
        dueAt: Number(dueAtMs),
        reason,
      };
    }
    case "nakSettled":
      return { type: "NakSettled", at, filter: event.value.filter, seq: Number(event.value.seq) };
    case "deadLettered": {
      const { filter, lane, seq, attempts, cause } = event.value;
      return { type: "DeadLettered", at, filter, lane: laneFrom(lane), seq: Number(seq), attempts, cause };
    }
    case "trimmed":
      return { type: "Trimmed", at, ...positionsFrom(event.value), first: Number(event.value.first) };
    case "expired":
      return { type: "Expired", at };
    case "closed":
      return { type: "Closed", at, cause: event.value.cause };
    default:
      throw new TypeError("Journal entry of a kind that this version does not know; a newer gateway wrote it");
  }
}

function subscribedEvent(value: Extract<Stored["event"], { case: "subscribed" }>["value"], at: number): SessionEvent {
  const { filter, qos, positions, windowRecords, windowBytes, conflate, ackWaitMs, maxDeliver } = value;
  assert(qos === 0 || qos === 1 || qos === 2, `qos ${qos} is stored`);
  return {
    type: "Subscribed",
    at,
    filter,
    qos,
    positions: lanesFrom(positions),
    lastOnlyUpTo: Number(value.lastOnlyUpTo),
    window: { records: windowRecords, bytes: Number(windowBytes) },
    congestion: conflate ? "conflate" : "skip",
    ackWaitMs: Number(ackWaitMs),
    maxDeliver,
  };
}

export function lossValue(details: LossDetails | undefined) {
  if (details === undefined) return {};
  const { closeCode, silentMs, congestedMs, bufferedBytes, unackedRecords, unackedBytes } = details;
  return {
    details: {
      closeCode,
      silentMs: BigInt(Math.round(silentMs)),
      congestedMs: BigInt(Math.round(congestedMs)),
      bufferedBytes: BigInt(bufferedBytes),
      unackedRecords: BigInt(unackedRecords),
      unackedBytes: BigInt(unackedBytes),
    },
  };
}

export function lossFrom(stored: StoredLoss | undefined): { readonly details?: LossDetails } {
  if (stored === undefined) return {};
  const { closeCode, silentMs, congestedMs, bufferedBytes, unackedRecords, unackedBytes } = stored;
  return {
    details: {
      closeCode,
      silentMs: Number(silentMs),
      congestedMs: Number(congestedMs),
      bufferedBytes: Number(bufferedBytes),
      unackedRecords: Number(unackedRecords),
      unackedBytes: Number(unackedBytes),
    },
  };
}

function positionsFrom({ filter, positions }: Pick<StoredPositions, "filter" | "positions">): FilterPositions {
  return { filter, positions: lanesFrom(positions) };
}

function lanesFrom(positions: readonly bigint[]): LanePositions {
  const [a, b, c, d] = positions.map(Number);
  return [a ?? 0, b ?? 0, c ?? 0, d ?? 0];
}

function laneFrom(lane: number): Lane {
  assert(isLane(lane), `lane ${lane} is stored`);
  return lane;
}
