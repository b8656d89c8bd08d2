/**
 * Decides what is told of an entry in a session's journal: a record on `$lifecycle.session.<event>`, or nothing.
 *
 * Pure: the same entry gives the same record, byte for byte, so that it does not matter how often it is told. Its shape is
 * schemas/weir/v1/lifecycle.schema.json, and outlives every release like the journal's own.
 * @module
 */
import type { SessionEvent } from "../../actors/session/events.ts";
import { laneNames, normalLane } from "../../protocol/lane.ts";
import type { NewRecord } from "../log/event-log.ts";

export const lifecycleEvents = [
  "opened",
  "attached",
  "detached",
  "subscribed",
  "unsubscribed",
  "transactionCommitted",
  "deadLettered",
  "trimmed",
  "expired",
  "closed",
] as const;
export type LifecycleEvent = (typeof lifecycleEvents)[number];

/** Whose journal an entry stands in, and where. */
export type EntryPlace = { readonly session: string; readonly subject: string; readonly seq: number };
type Told = { readonly event: LifecycleEvent; readonly about: Readonly<Record<string, unknown>> };

const topic = "$lifecycle.session.";
const version = 1;
const headers = { "content-type": "application/json" };
const encoder = new TextEncoder();

/** Undefined: services are told nothing of such an entry, or not asked for. */
export function lifecycleRecord(
  entry: SessionEvent,
  { session, subject, seq }: EntryPlace,
  events: ReadonlySet<LifecycleEvent>,
): NewRecord | undefined {
  const told = toldOf(entry);
  if (told === undefined || !events.has(told.event)) return undefined;
  const { event, about } = told;
  const payload = encoder.encode(JSON.stringify({ version, event, session, subject, seq, at: entry.at, ...about }));
  return { topic: topic + event, id: `lifecycle/${session}/${seq}`, lane: normalLane, headers, payload };
}

function toldOf(entry: SessionEvent): Told | undefined {
  switch (entry.type) {
    case "Opened":
      return tell("opened", { resumeWindowMs: entry.resumeWindowMs, instead: entry.instead });
    case "Attached":
      return tell("attached", { node: entry.node, connection: entry.connection, owner: entry.owner });
    case "Detached":
      return tell("detached", { cause: entry.cause, details: entry.details });
    case "Subscribed":
      return tell("subscribed", { filter: entry.filter, qos: entry.qos });
    case "Unsubscribed":
      return tell("unsubscribed", { filter: entry.filter, cause: entry.cause });
    case "TransactionCommitted":
      return tell("transactionCommitted", { transaction: entry.tx, records: entry.records });
    case "DeadLettered": {
      const { filter, lane, seq: record, attempts, cause } = entry;
      return tell("deadLettered", { filter, priority: laneNames[lane], record, attempts, cause });
    }
    case "Trimmed":
      return tell("trimmed", { filter: entry.filter, first: entry.first });
    case "Expired":
      return tell("expired", {});
    case "Closed":
      return tell("closed", { cause: entry.cause });
    default: // How far it came, and what it was refused, is between the client and the gateway.
      return undefined;
  }
}

const tell = (event: LifecycleEvent, about: Told["about"]): Told => ({ event, about });
