/**
 * Who has a record: for each session whose subscription should bring it, how far it came. Told by journals, and by what
 * running gateways say of records on their way; there is no second store.
 * @module
 */
import type { SessionEvent } from "../../actors/session/events.ts";
import type { SubscriptionState } from "../../actors/session/state.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { type Lane, laneNames, lanes } from "../../protocol/lane.ts";
import { matches } from "../../protocol/topic.ts";
import type { LiveState } from "./live.ts";
import type { ReadableLog } from "./readable-log.ts";
import { type JournalledEvent, visitSessions } from "./visit-sessions.ts";

/**
 * processed: acknowledged · waits: given back, to be tried again · sent: on its way · owed: not sent yet, as far as
 * anybody knows · deadLettered: given up · lost: the session ended or retention took it before it was processed ·
 * skipped: QoS 0, nobody keeps track.
 */
export type Fate = "processed" | "waits" | "sent" | "owed" | "deadLettered" | "lost" | "skipped";

export type LedgerRow = {
  readonly session: string;
  readonly subject: string;
  readonly filter: string;
  readonly fate: Fate;
  /**
   * When its journal first said so; positions are written about once a second. Of what is owed or skipped: when the record
   * came to the subscription. Absent where the memory of its node alone knows of it.
   */
  readonly since?: EpochMs;
  /** Deliveries that are known: of a record that is processed at once nobody counts. */
  readonly tries?: number;
  /** Why it was given back, oldest first, the last few. */
  readonly reasons: readonly string[];
  /** Of a fate that was not meant. */
  readonly cause?: string;
};
/** beyondEnd: the log has not come that far · otherTopic: it holds no record with this topic there · trimmed: retention took it. */
export type Absence = "beyondEnd" | "otherTopic" | "trimmed";
export type Ledger = {
  readonly topic: string;
  readonly seq: Seq;
  /** Absent: `absent` says why. */
  readonly record?: { readonly time: EpochMs; readonly id: string; readonly lane: string; readonly bytes: number };
  readonly absent?: Absence;
  /** Empty where nothing with this topic was ever stored at this seq. */
  readonly rows: readonly LedgerRow[];
  /** There are more sessions than were asked for. */
  readonly more: boolean;
};

const reasonsMax = 5;
const rowsMax = 10_000;

type Sought = {
  readonly topic: string;
  readonly seq: Seq;
  /** Of a record that is gone nobody knows them. */
  readonly lane: Lane | undefined;
  readonly storedAt: EpochMs | undefined;
};
export type WhoOptions = { readonly live?: LiveState | undefined; readonly max?: number };

export async function whoHas(log: ReadableLog, topic: string, seq: Seq, options: WhoOptions = {}): Promise<Ledger> {
  const { live, max = rowsMax } = options;
  const page = await log.read({ filter: topic, after: seq - 1, until: seq, recordsMax: 1, bytesMax: 1 });
  const record = page.records.find((one) => one.seq === seq);
  const absent = record === undefined ? await absenceAt(log, seq) : undefined;
  if (absent !== undefined && absent !== "trimmed") return { topic, seq, absent, rows: [], more: false };
  const sought = { topic, seq, lane: record?.lane, storedAt: record?.time };
  const rows: LedgerRow[] = [];
  await visitSessions(log, async (session, events) => {
    const fates = new Map<string, Tracked>();
    let subject = "";
    for await (const entry of events()) {
      if (entry.event.type === "Opened") subject = entry.event.subject;
      follow(fates, entry, sought);
    }
    for (const [filter, tracked] of fates)
      rows.push(await rowOf({ session, subject, filter }, tracked, { ...sought, live }));
  });
  rows.sort((a, b) => a.session.localeCompare(b.session) || a.filter.localeCompare(b.filter));
  return {
    ...{ topic, seq, rows: rows.slice(0, max), more: rows.length > max },
    ...(absent === undefined ? {} : { absent }),
    ...(record === undefined
      ? {}
      : {
          record: { time: record.time, id: record.id, lane: laneNames[record.lane], bytes: record.payload.byteLength },
        }),
  };
}

async function absenceAt(log: ReadableLog, seq: Seq): Promise<Absence> {
  if (seq > (await log.end())) return "beyondEnd";
  return seq < log.info().firstSeq ? "trimmed" : "otherTopic";
}

/** What the journal has said so far of the record and one subscription. */
type Tracked = {
  fate: Fate;
  since: EpochMs | undefined;
  tries: number | undefined;
  reasons: string[];
  cause: string | undefined;
};

function follow(fates: Map<string, Tracked>, { event, time }: JournalledEvent, sought: Sought): void {
  switch (event.type) {
    case "Subscribed":
      return subscribed(fates, event, { time, sought });
    case "Acknowledged":
    case "TransactionCommitted":
      for (const { filter, positions } of event.filters) acknowledged(fates.get(filter), positions, { time, sought });
      return;
    case "Nacked":
    case "NakSettled":
    case "DeadLettered":
      if (event.seq === sought.seq) returned(fates.get(event.filter), event, time);
      return;
    case "Trimmed":
      if (sought.seq < event.first) lost(fates.get(event.filter), "trimmed", time);
      return;
    case "Unsubscribed":
      return lost(fates.get(event.filter), event.cause === "asked" ? "unsubscribed" : event.cause, time);
    case "Expired":
      for (const tracked of fates.values()) lost(tracked, "expired", time);
      return;
    case "Closed":
      for (const tracked of fates.values()) lost(tracked, event.cause, time);
  }
}

type When = { readonly time: EpochMs; readonly sought: Sought };

function subscribed(
  fates: Map<string, Tracked>,
  event: Extract<SessionEvent, { type: "Subscribed" }>,
  { time, sought }: When,
) {
  const { filter, positions, qos } = event;
  // What lay before its start was never owed.
  if (!matches(filter, sought.topic) || reached(positions, sought)) return;
  const fate = qos === 0 ? "skipped" : "owed";
  fates.set(filter, {
    fate,
    since: Math.max(time, sought.storedAt ?? time),
    tries: undefined,
    reasons: [],
    cause: undefined,
  });
}

function reached(positions: SubscriptionState["positions"], { seq, lane }: Sought): boolean {
  // Of a record that is gone nobody knows the lane: it is behind all of them, or not known to be.
  return lane === undefined ? lanes.every((one) => positions[one] >= seq) : positions[lane] >= seq;
}

function acknowledged(
  tracked: Tracked | undefined,
  positions: SubscriptionState["positions"],
  { time, sought }: When,
): void {
  if (tracked?.fate !== "owed" || !reached(positions, sought)) return;
  tracked.fate = "processed";
  tracked.since = time;
}

type Returned = Extract<SessionEvent, { type: "Nacked" | "NakSettled" | "DeadLettered" }>;

function returned(tracked: Tracked | undefined, event: Returned, time: EpochMs): void {
  if (tracked === undefined) return;
  tracked.since = time;
  if (event.type === "NakSettled") {
    tracked.fate = "processed";
    return;
  }
  tracked.tries = event.attempts;
  tracked.fate = event.type === "Nacked" ? "waits" : "deadLettered";
  const reason = event.type === "Nacked" ? event.reason : event.cause;
  tracked.reasons = [...tracked.reasons, reason].slice(-reasonsMax);
  if (event.type === "DeadLettered") tracked.cause = event.cause;
}

function lost(tracked: Tracked | undefined, cause: string, time: EpochMs): void {
  if (tracked === undefined || (tracked.fate !== "owed" && tracked.fate !== "waits")) return;
  tracked.fate = "lost";
  tracked.cause = cause;
  tracked.since = time;
}

type Who = Pick<LedgerRow, "session" | "subject" | "filter">;

async function rowOf(who: Who, tracked: Tracked, { live, seq, lane }: Sought & WhoOptions): Promise<LedgerRow> {
  const { tries, reasons, cause } = tracked;
  const fate = tracked.fate === "owed" ? await onItsWay(who, { live, seq, lane }) : tracked.fate;
  const since = fate === tracked.fate ? tracked.since : undefined;
  return {
    ...{ ...who, fate, reasons },
    ...(since === undefined ? {} : { since }),
    ...(tries === undefined ? {} : { tries }),
    ...(cause === undefined ? {} : { cause }),
  };
}

/** What the journal does not know yet: the node may have sent it, and heard that it is processed. */
async function onItsWay(
  { session, filter }: Who,
  { live, seq, lane }: Pick<Sought, "seq" | "lane"> & WhoOptions,
): Promise<Fate> {
  const held = (await live?.session(session))?.subscriptions.find((one) => one.filter === filter);
  const chain = held?.chains.find((one) => lane === undefined || one.lane === laneNames[lane]);
  if (chain === undefined) return "owed";
  if (chain.position >= seq) return "processed";
  return chain.sent >= seq ? "sent" : "owed";
}
