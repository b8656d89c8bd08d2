/**
 * Compares what a gateway decides now with what was recorded of a session: the same facts about the same things, in the
 * same order, at about the same time. Of one thing that went differently only the first fact is told: what follows
 * follows from it.
 *
 * Pure.
 * @module
 */
import type { SessionEvent } from "../../actors/session/events.ts";
import { evolve } from "../../actors/session/evolve.ts";
import { initialState, type SessionState } from "../../actors/session/state.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import { lanes } from "../../protocol/lane.ts";
import type { SeqMap } from "./seq-map.ts";
import { sessionFold } from "./session-actor.ts";
import type { RecordedEvent } from "./shadow-script.ts";
import { milliseconds } from "./text.ts";

export type ShadowDifference = {
  readonly session: string;
  /** Of the recorded journal; absent: what is decided now was not recorded. */
  readonly seq?: number;
  readonly time: EpochMs;
  readonly sentence: string;
};

export type Compared = {
  readonly session: string;
  readonly recorded: readonly RecordedEvent[];
  /** As the shadow world's journal has it, in its own seqs. */
  readonly now: readonly RecordedEvent[];
  readonly seqs: SeqMap;
  /** The session that this one goes on in now, instead of beginning anew. */
  readonly goesOn: string | undefined;
  readonly toleranceMs: number;
  /** Limits that are others than the recorded ones: that an option follows its default is no decision. */
  readonly changed: ReadonlySet<string>;
};

export function compareSession(compared: Compared): readonly ShadowDifference[] {
  const { session, recorded, seqs, goesOn } = compared;
  const [first] = recorded;
  if (goesOn !== undefined && first !== undefined) {
    const sentence = `session ${session}, event ${first.seq}: recorded ${sessionFold.summary(first.event)}; now it goes on as ${goesOn}`;
    return [{ session, seq: first.seq, time: first.event.at, sentence }];
  }
  const now = compared.now.map(({ seq, event }) => ({ seq, event: inRecordedSeqs(event, seqs) }));
  const before = byThing(recorded);
  const after = byThing(now);
  const differences: ShadowDifference[] = [];
  for (const thing of new Set([...before.keys(), ...after.keys()])) {
    const found = firstDifference(before.get(thing) ?? [], after.get(thing) ?? [], compared);
    if (found !== undefined) differences.push(told(session, thing, found));
  }
  return differences.length > 0 ? differences : comparePositions(session, recorded, now);
}

// --- which thing a fact is about ---

/** Positions and numbers are written when time allows: what they come to is compared at the end. */
function byThing(events: readonly RecordedEvent[]): Map<string, RecordedEvent[]> {
  const things = new Map<string, RecordedEvent[]>();
  for (const recorded of events) {
    const thing = thingOf(recorded.event);
    if (thing === undefined) continue;
    const list = things.get(thing);
    if (list === undefined) things.set(thing, [recorded]);
    else list.push(recorded);
  }
  return things;
}

function thingOf(event: SessionEvent): string | undefined {
  switch (event.type) {
    case "Opened":
    case "Attached":
    case "Detached":
    case "Expired":
    case "Closed":
      return "its life";
    case "Subscribed":
    case "Unsubscribed":
    case "Trimmed":
      return `its subscription of ${event.filter}`;
    case "Nacked":
    case "NakSettled":
    case "DeadLettered":
      return `record ${event.seq} of ${event.filter}`;
    case "PublishRefused":
      return `publish ${event.n}`;
    case "TransactionCommitted":
      return `transaction ${event.tx}`;
    default:
      return undefined;
  }
}

// --- what is different ---

type Pair = {
  readonly recorded: RecordedEvent | undefined;
  readonly now: RecordedEvent | undefined;
  readonly why: string;
};

function firstDifference(
  recorded: readonly RecordedEvent[],
  now: readonly RecordedEvent[],
  { toleranceMs, changed }: Pick<Compared, "toleranceMs" | "changed">,
): Pair | undefined {
  for (let i = 0; i < Math.max(recorded.length, now.length); i++) {
    const [a, b] = [recorded[i], now[i]];
    if (a === undefined || b === undefined) return { recorded: a, now: b, why: "" };
    const why = difference(a.event, b.event, changed);
    if (why !== undefined) return { recorded: a, now: b, why };
    const lateMs = Math.abs(a.event.at - b.event.at);
    const allowedMs = toleranceMs + waitJitter(a.event, recorded[i - 1]?.event);
    if (lateMs > allowedMs) return { recorded: a, now: b, why: `${milliseconds(lateMs)} apart` };
  }
  return undefined;
}

/** Waits for an acknowledgement take or add a tenth by chance. */
function waitJitter(event: SessionEvent, before: SessionEvent | undefined): number {
  if (event.type !== "DeadLettered" || event.cause !== "ackTimeout") return 0;
  return before === undefined ? jitterMs * event.attempts : (event.at - before.at) / 10;
}
const jitterMs = 6_000;

/** Undefined: the same decision. */
function difference(a: SessionEvent, b: SessionEvent, changed: ReadonlySet<string>): string | undefined {
  if (a.type !== b.type) return "";
  for (const field of decided[a.type]) {
    if (defaultsOf[field]?.some((limit) => changed.has(limit)) === true) continue;
    const [from, to] = [fieldOf(a, field), fieldOf(b, field)];
    if (from !== to) return `${field} ${from} became ${to}`;
  }
  if (a.type === "Detached" && b.type === "Detached" && decidedByGateway.has(a.cause) && a.cause !== b.cause)
    return `cause ${a.cause} became ${b.cause}`;
  return undefined;
}

const decided: Readonly<Record<SessionEvent["type"], readonly string[]>> = {
  Opened: ["resumeWindowMs"],
  Attached: ["owner"],
  Detached: [],
  Subscribed: ["qos", "window", "congestion", "ackWaitMs", "maxDeliver"],
  Unsubscribed: ["cause"],
  Acknowledged: [],
  PublishedUpTo: [],
  PublishRefused: ["cause"],
  RefusalsSettled: [],
  TransactionCommitted: ["records"],
  Nacked: ["attempts", "reason"],
  NakSettled: [],
  DeadLettered: ["attempts", "cause"],
  Trimmed: [],
  Expired: [],
  Closed: ["cause"],
};

/** Limits that an option of a session or subscription takes when its client names none. */
const defaultsOf: Readonly<Record<string, readonly string[]>> = {
  resumeWindowMs: ["resumeWindowMs", "resumeWindowMsMax"],
  window: ["deliverWindowRecords", "deliverWindowBytes", "deliverWindowRecordsMax", "deliverWindowBytesMax"],
  ackWaitMs: ["ackWaitMs", "ackWaitMsMin", "ackWaitMsMax"],
  maxDeliver: ["maxDeliver", "maxDeliverMax"],
};

const decidedByGateway: ReadonlySet<string> = new Set(["heartbeatTimeout", "slowConsumer", "superseded"]);

function fieldOf(event: SessionEvent, field: string): string {
  return JSON.stringify((event as unknown as Readonly<Record<string, unknown>>)[field]);
}

function told(session: string, thing: string, { recorded, now, why }: Pair): ShadowDifference {
  const before = `recorded ${recorded === undefined ? "nothing" : fact(recorded.event)}`;
  const after = `now ${now === undefined ? "nothing" : fact(now.event)}`;
  const where = recorded === undefined ? `, ${thing}` : `, event ${recorded.seq}`;
  return {
    session,
    ...(recorded === undefined ? {} : { seq: recorded.seq }),
    time: recorded?.event.at ?? now?.event.at ?? 0,
    sentence: `session ${session}${where}: ${before}; ${after}${why === "" ? "" : ` (${why})`}`,
  };
}

function fact(event: SessionEvent): string {
  return `${event.type} "${sessionFold.summary(event)}"`;
}

// --- where it came to ---

function comparePositions(
  session: string,
  recorded: readonly RecordedEvent[],
  now: readonly RecordedEvent[],
): readonly ShadowDifference[] {
  const [a, b] = [folded(recorded), folded(now)];
  const last = recorded.at(-1);
  const differences: ShadowDifference[] = [];
  const differs = (what: string): void => {
    const sentence = `session ${session}, at the end: ${what}`;
    differences.push({
      session,
      time: last?.event.at ?? 0,
      sentence,
      ...(last === undefined ? {} : { seq: last.seq }),
    });
  };
  if (a.publishedUpTo !== b.publishedUpTo)
    differs(`recorded published up to ${a.publishedUpTo}; now up to ${b.publishedUpTo}`);
  for (const [filter, held] of a.subscriptions) {
    const positions = b.subscriptions.get(filter)?.positions;
    // A lane that nobody used stands where the log was read to, which is told about once a second.
    if (positions !== undefined && lanes.every((lane) => positions[lane] < held.positions[lane]))
      differs(
        `recorded ${filter} acknowledged up to ${Math.max(...held.positions)}; now up to ${Math.max(...positions)}`,
      );
  }
  return differences;
}

function folded(events: readonly RecordedEvent[]): SessionState {
  return events.reduce((state, { event }) => evolve(state, event), initialState);
}

function inRecordedSeqs(event: SessionEvent, seqs: SeqMap): SessionEvent {
  switch (event.type) {
    case "Nacked":
    case "NakSettled":
    case "DeadLettered":
      return { ...event, seq: seqs.toRecorded(event.seq) };
    case "Subscribed":
      return { ...event, positions: seqs.positionsToRecorded(event.positions) };
    case "Trimmed":
      return { ...event, positions: seqs.positionsToRecorded(event.positions), first: seqs.toRecorded(event.first) };
    case "Acknowledged":
    case "TransactionCommitted":
      return {
        ...event,
        filters: event.filters.map((one) => ({ ...one, positions: seqs.positionsToRecorded(one.positions) })),
      };
    default:
      return event;
  }
}
