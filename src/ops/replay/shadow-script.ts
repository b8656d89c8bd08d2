/**
 * Reads out of journals and records what clients did, and when: the inputs that led to what was recorded. What was decided
 * by a gateway is left out, for it is to be decided again.
 *
 * Pure.
 * @module
 */

import type { RetentionInForce } from "../../actors/node/events.ts";
import { decodeNodeEvent } from "../../actors/node/persist.ts";
import type { SessionEvent } from "../../actors/session/events.ts";
import { decodeEvent } from "../../actors/session/persist.ts";
import type { LanePositions } from "../../actors/session/state.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Lane } from "../../protocol/lane.ts";
import { limits as defaultLimits, type Limits } from "../../protocol/limits.ts";
import { nodeKind } from "../../runtime/cluster/node-facts.ts";
import type { LogRecord } from "../../runtime/log/event-log.ts";
import type { Segment } from "./segment.ts";

export type Of<T extends SessionEvent["type"]> = Extract<SessionEvent, { type: T }>;

/** A record that a client gave back, as its try number `attempts`. */
export type Returned = {
  readonly at: EpochMs;
  readonly filter: string;
  readonly lane: Lane;
  readonly seq: Seq;
  readonly attempts: number;
  /** Absent: as the gateway would choose. */
  readonly delayMs?: number;
  readonly reason: string;
};

export type Input = { readonly at: EpochMs } & (
  | { readonly do: "append"; readonly record: LogRecord }
  | { readonly do: "open"; readonly session: string; readonly event: Of<"Opened"> }
  | { readonly do: "attach"; readonly session: string }
  | { readonly do: "expire"; readonly session: string }
  | { readonly do: "lose"; readonly session: string; readonly how: "reset" | "close" | "silent" | "stall" }
  | { readonly do: "subscribe"; readonly session: string; readonly event: Of<"Subscribed"> }
  | { readonly do: "unsubscribe"; readonly session: string; readonly filter: string }
  | { readonly do: "publish"; readonly session: string; readonly record: LogRecord }
  | { readonly do: "publish refused"; readonly session: string; readonly event: Of<"PublishRefused"> }
  | { readonly do: "acknowledge"; readonly session: string; readonly filter: string; readonly positions: LanePositions }
  | {
      readonly do: "transact";
      readonly session: string;
      readonly event: Of<"TransactionCommitted">;
      readonly records: readonly LogRecord[];
    }
);

export type RecordedEvent = { readonly seq: number; readonly event: SessionEvent };
export type Script = {
  /** In order of time. */
  readonly inputs: readonly Input[];
  /** By session: what it gave back, by `<filter>/<seq>`. */
  readonly returns: ReadonlyMap<string, ReadonlyMap<string, readonly Returned[]>>;
  readonly sessions: ReadonlyMap<string, readonly RecordedEvent[]>;
  readonly limits: Limits;
  readonly retention: RetentionInForce;
  /** What this run decides nothing about: what operators did, and what came of tokens that are not in the log. */
  readonly skipped: readonly { readonly session: string; readonly seq: number; readonly what: string }[];
  readonly startsAt: EpochMs;
  readonly endsAt: EpochMs;
};

/** Positions are written so long after they began to move. */
const progressMs = 1_000;

/** At the same moment: first who is there, then what is stored, then what is done with it. */
const ranks: Readonly<Record<Input["do"], number>> = {
  open: 0,
  attach: 0,
  append: 1,
  publish: 1,
  "publish refused": 1,
  transact: 1,
  subscribe: 2,
  unsubscribe: 3,
  acknowledge: 3,
  lose: 4,
  expire: 4,
};

export function scriptOf(segment: Segment): Script {
  const { limits, retention } = settingsOf(segment);
  const sessions = new Map<string, readonly RecordedEvent[]>();
  for (const { key, entries } of segment.journals)
    if (key.kind === "session")
      sessions.set(
        key.id,
        entries.map(({ seq, data }) => ({ seq, event: decodeEvent(data) })),
      );
  const writer = new ScriptWriter(limits);
  const records = new RecordsByPublisher(segment.records, sessions);
  for (const record of records.others) writer.add({ at: record.time, do: "append", record });
  for (const [session, events] of sessions) writer.session(session, events, records);
  const inputs = writer.sorted();
  const first = inputs[0]?.at ?? segment.header.recordedAt;
  return {
    ...{ inputs, returns: writer.returns, sessions, limits, retention, skipped: writer.skipped },
    startsAt: first,
    endsAt: Math.max(segment.header.until, inputs.at(-1)?.at ?? 0),
  };
}

/** Those that a node told last. */
function settingsOf(segment: Segment): { readonly limits: Limits; readonly retention: RetentionInForce } {
  let limits: Limits = defaultLimits;
  let retention: RetentionInForce = { ageMs: 0, bytes: 0, records: 0 };
  let startedAt = 0;
  for (const { key, entries } of segment.journals) {
    if (key.kind !== nodeKind) continue;
    for (const { data } of entries) {
      const event = decodeNodeEvent(data);
      if ((event.type !== "Started" && event.type !== "Configured") || event.at < startedAt) continue;
      startedAt = event.at;
      limits = { ...defaultLimits, ...event.limits };
      retention = event.retention;
    }
  }
  return { limits, retention };
}

class RecordsByPublisher {
  /** Of nobody whose journal is here. */
  readonly others: LogRecord[] = [];
  readonly published = new Map<string, LogRecord[]>();
  /** By `<session>/<tx>`. */
  readonly transactions = new Map<string, LogRecord[]>();

  constructor(records: readonly LogRecord[], sessions: ReadonlyMap<string, unknown>) {
    for (const record of records) {
      const [, session = "", rest = ""] = /^([^/]+)\/(\d+|tx\/\d+\/\d+|dead\/\d+)$/.exec(record.id) ?? [];
      if (rest.startsWith("dead/")) continue; // A gateway wrote it.
      if (!sessions.has(session)) this.others.push(record);
      else if (!rest.startsWith("tx/")) put(this.published, session, record);
      else put(this.transactions, `${session}/${rest.split("/")[1]}`, record);
    }
  }
}

function put(lists: Map<string, LogRecord[]>, key: string, record: LogRecord): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [record]);
  else list.push(record);
}

class ScriptWriter {
  readonly returns = new Map<string, Map<string, Returned[]>>();
  readonly skipped: { session: string; seq: number; what: string }[] = [];
  readonly #limits: Limits;
  readonly #inputs: { readonly input: Input; readonly order: number }[] = [];

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  add(input: Input): void {
    this.#inputs.push({ input, order: "record" in input ? input.record.seq : this.#inputs.length });
  }

  sorted(): readonly Input[] {
    return this.#inputs
      .sort((a, b) => a.input.at - b.input.at || ranks[a.input.do] - ranks[b.input.do] || a.order - b.order)
      .map(({ input }) => input);
  }

  session(session: string, events: readonly RecordedEvent[], records: RecordsByPublisher): void {
    for (const record of records.published.get(session) ?? [])
      this.add({ at: record.time, do: "publish", session, record });
    let before: EpochMs = 0;
    for (const { seq, event } of events) {
      this.#event({ session, seq, event, before }, records);
      before = event.at;
    }
  }

  #event({ session, seq, event, before }: Recorded, records: RecordsByPublisher): void {
    const { at } = event;
    switch (event.type) {
      case "Opened":
        return this.add({ at, do: "open", session, event });
      case "Attached":
        if (event.owner > 1) this.add({ at, do: "attach", session });
        return;
      case "Detached":
        return this.#lost(session, event);
      case "Subscribed":
        return this.add({ at, do: "subscribe", session, event });
      case "Unsubscribed":
        if (event.cause === "asked") return this.add({ at, do: "unsubscribe", session, filter: event.filter });
        return void this.skipped.push({ session, seq, what: `Unsubscribed ${event.filter}: ${event.cause}` });
      case "Acknowledged":
        for (const { filter, positions } of event.filters)
          this.add({ at: Math.max(before, at - progressMs), do: "acknowledge", session, filter, positions });
        return;
      case "PublishRefused":
        return this.add({ at, do: "publish refused", session, event });
      case "TransactionCommitted":
        return this.add({
          ...{ at, do: "transact", session, event },
          records: records.transactions.get(`${session}/${event.tx}`) ?? [],
        });
      case "Nacked":
        return this.#returned(session, { ...event, ...this.#delay(event) });
      case "DeadLettered":
        if (event.cause === "ackTimeout" || event.cause === "trimmed") return;
        return this.#returned(session, { ...event, reason: event.cause });
      case "Closed":
        if (event.cause === "expiredByOperator") this.add({ at, do: "expire", session });
        return void this.skipped.push({ session, seq, what: `Closed: ${event.cause}` });
    }
  }

  #returned(session: string, { at, filter, lane, seq, attempts, delayMs, reason }: Returned): void {
    const ofSession = this.returns.get(session) ?? new Map<string, Returned[]>();
    this.returns.set(session, ofSession);
    const key = `${filter}/${seq}`;
    const one = { at, filter, lane, seq, attempts, reason, ...(delayMs === undefined ? {} : { delayMs }) };
    ofSession.set(key, [...(ofSession.get(key) ?? []), one]);
  }

  /** A delay that the gateway would have chosen by itself is its decision. */
  #delay({ at, dueAt, attempts }: Of<"Nacked">): { readonly delayMs?: number } {
    const { nakDelayMs, nakDelayMsMax } = this.#limits;
    const own = Math.min(nakDelayMs * 2 ** Math.min(attempts - 1, 20), nakDelayMsMax);
    return dueAt - at === own ? {} : { delayMs: dueAt - at };
  }

  #lost(session: string, { at, cause, details }: Of<"Detached">): void {
    switch (cause) {
      case "superseded": // By the connection that comes next.
        return;
      case "heartbeatTimeout": {
        const silentMs = details?.silentMs ?? this.#limits.heartbeatMs + this.#limits.pongMs;
        return this.add({ at: at - silentMs, do: "lose", session, how: "silent" });
      }
      case "slowConsumer": {
        const congestedMs = details?.congestedMs ?? this.#limits.congestedMs;
        // It had stopped reading before the first frame that it did not take.
        return this.add({ at: at - congestedMs - 1, do: "lose", session, how: "stall" });
      }
      default:
        return this.add({ at, do: "lose", session, how: /^socketClosed 10(00|01)$/.test(cause) ? "close" : "reset" });
    }
  }
}

type Recorded = RecordedEvent & { readonly session: string; readonly before: EpochMs };
