/**
 * Why an actor is where it is: what ended, was refused, was given up or was lost in its life, in order, each with its
 * sentence, what to do, and the setting that decides it.
 * @module
 */
import { decodeNodeEvent } from "../../actors/node/persist.ts";
import { evolveNode, initialNodeState, type NodeState } from "../../actors/node/state.ts";
import type { SessionEvent } from "../../actors/session/events.ts";
import { causeOf } from "../../protocol/cause.ts";
import type { CloseName } from "../../protocol/close-code.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { isWildcard } from "../../protocol/topic.ts";
import { readJournal } from "../../runtime/journal.ts";
import type { ActorKey } from "./actor.ts";
import { connectionActor, findEnded } from "./connection-actor.ts";
import { UnknownActorError } from "./inspect.ts";
import { lagOfSession } from "./lag.ts";
import { nodeFold } from "./node-actor.ts";
import type { ReadableLog } from "./readable-log.ts";
import { settingName } from "./setting-name.ts";
import { counted, instant, milliseconds, tries } from "./text.ts";
import { type JournalledEvent, sessionEvents } from "./visit-sessions.ts";

export type Finding = {
  readonly time: EpochMs;
  /** Event of the session's journal that says so; absent: another journal does. */
  readonly seq?: number;
  readonly cause: string;
  /** What happened, with its figures. */
  readonly sentence: string;
  readonly advice: string;
  /** Dotted, as configuration names it. */
  readonly setting?: string;
};

/** Dead letters, refusals and returns of one kind that are told one by one; the rest is counted. */
const sameToldMax = 20;

/** In order of time. Throws `UnknownActorError`. */
export async function whyOf(log: ReadableLog, key: ActorKey): Promise<readonly Finding[]> {
  switch (key.kind) {
    case "connection":
      return await whyConnection(log, key.id);
    case "node":
      return await whyNode(log, key.id);
    default:
      return await whySession(log, key.id);
  }
}

// --- sessions ---

async function whySession(log: ReadableLog, id: string): Promise<readonly Finding[]> {
  const told = new SessionFindings(id);
  for await (const entry of sessionEvents(log, id)) told.take(entry);
  if (!told.exists) throw new UnknownActorError(`The log holds nothing of session/${id}`);
  const findings = await Promise.all(told.findings().map((one) => withTopic(log, one)));
  return [...findings, ...(await behind(log, id))];
}

/** Names the dead-letter topic of a record that was given up; of one that is gone a wildcard does not tell. */
async function withTopic(log: ReadableLog, { dead, ...told }: Told): Promise<Finding> {
  if (dead === undefined) return told;
  const { filter, seq } = dead;
  const { records } = await log.read({ filter, after: seq - 1, until: seq, recordsMax: 1, bytesMax: 1 });
  const topic = records[0]?.topic ?? (isWildcard(filter) ? undefined : filter);
  if (topic === undefined) return told;
  const named = (text: string): string => text.replaceAll("$dead.<topic>", `$dead.${topic}`);
  return { ...told, sentence: named(told.sentence), advice: named(told.advice) };
}

/** Of an open session: records that it still owes an acknowledgement. */
async function behind(log: ReadableLog, id: string): Promise<readonly Finding[]> {
  const lag = await lagOfSession(log, id);
  if (lag === undefined || lag.records === 0) return [];
  const since = lag.oldestAt === undefined ? "" : `, the oldest since ${instant(lag.oldestAt)}`;
  return [
    finding("behind", {
      time: lag.oldestAt ?? 0,
      what: `${lag.more ? `${lag.records} or more records` : counted(lag.records, "record")}${since}`,
    }),
  ];
}

type Said = { readonly time: EpochMs; readonly seq?: number; readonly what?: string; readonly cause?: string };
/** `dead`: of a record that was given up. */
type Told = Finding & { readonly dead?: { readonly filter: string; readonly seq: Seq } };

/** `name`: row of the table; `what`: what it was in this case. */
function finding(name: string, { time, seq, what, cause }: Said): Finding {
  const row = causeOf(name);
  const setting = row.setting === undefined ? undefined : settingName(row.setting);
  return {
    time,
    ...(seq === undefined ? {} : { seq }),
    cause: cause ?? row.name,
    sentence: what === undefined || what === "" ? row.sentence : `${row.sentence}: ${what}`,
    advice: row.advice,
    ...(setting === undefined ? {} : { setting }),
  };
}

class SessionFindings {
  readonly #id: string;
  readonly #found: Told[] = [];
  readonly #counts = new Map<string, { told: number; more: number; last: Told }>();
  #window = 0;
  #detached: { readonly at: EpochMs; readonly cause: string } | undefined;
  exists = false;

  constructor(id: string) {
    this.#id = id;
  }

  findings(): readonly Told[] {
    for (const { more, last } of this.#counts.values())
      if (more > 0) this.#found.push({ ...last, sentence: `${last.sentence} (and ${more} more of this kind before)` });
    return this.#found.sort((a, b) => a.time - b.time);
  }

  take({ event, seq, time }: JournalledEvent): void {
    this.exists = true;
    const at = { time, seq };
    switch (event.type) {
      case "Opened":
        this.#window = event.resumeWindowMs;
        if (event.instead !== undefined)
          this.#add(event.instead.cause, { ...at, what: `it had asked for ${event.instead.session}, and began anew` });
        return;
      case "Attached":
        if (this.#detached !== undefined)
          this.#found.push(cameBack(event, { ...at, awayMs: time - this.#detached.at }));
        this.#detached = undefined;
        return;
      case "Detached":
        this.#detached = { at: time, cause: event.cause };
        return this.#add(event.cause, { ...at, what: detachedText(event), cause: event.cause });
      case "Expired":
        return this.#add("expired", { ...at, what: expiredText(this.#detached, time, this.#window) });
      case "Closed":
        return this.#add(event.cause, { ...at, cause: event.cause, what: `session ${this.#id} was closed` });
      default:
        return this.#takeRecord(event, at);
    }
  }

  #takeRecord(event: SessionEvent, at: { readonly time: EpochMs; readonly seq: number }): void {
    switch (event.type) {
      case "Unsubscribed":
        if (event.cause !== "asked") this.#add(event.cause, { ...at, what: `${event.filter} was unsubscribed` });
        return;
      case "PublishRefused":
        return this.#add(event.cause, { ...at, what: `publish ${event.n} was refused, ${event.message}` });
      case "Nacked":
        return this.#some("nak", {
          ...at,
          what: `record ${event.seq} of ${event.filter} after ${tries(event.attempts)}, "${event.reason}"`,
        });
      case "Trimmed":
        return this.#add("trimmed", {
          ...at,
          what: `${event.filter} was acknowledged up to ${Math.min(...event.positions)}, and the log began at ${event.first}`,
        });
      case "DeadLettered": {
        const name = event.cause === "trimmed" || event.cause === "ackTimeout" ? event.cause : "deadLettered";
        const words = name === event.cause ? "" : `, "${event.cause}"`;
        const what = `record ${event.seq} of ${event.filter} was given up after ${tries(event.attempts)}${words}; it is in $dead.<topic>`;
        return this.#some(name, { ...at, what, cause: event.cause }, { filter: event.filter, seq: event.seq });
      }
    }
  }

  #add(name: string, said: Said): void {
    this.#found.push(finding(name, said));
  }

  /** The first ones in full, the others by their number. */
  #some(name: string, said: Said, dead?: Told["dead"]): void {
    const last: Told = { ...finding(name, said), ...(dead === undefined ? {} : { dead }) };
    const count = this.#counts.get(name) ?? { told: 0, more: 0, last };
    if (count.told < sameToldMax) this.#found.push(last);
    this.#counts.set(name, {
      told: count.told + 1,
      more: Math.max(0, count.told - sameToldMax),
      last,
    });
  }
}

function cameBack(
  event: Extract<SessionEvent, { type: "Attached" }>,
  { time, seq, awayMs }: { readonly time: EpochMs; readonly seq: number; readonly awayMs: number },
): Finding {
  return {
    ...{ time, seq, cause: "resumed" },
    sentence: `The client came back after ${milliseconds(awayMs)} by connection ${event.connection} of ${event.node}`,
    advice: "Nothing to do: it goes on where it was",
  };
}

function detachedText({ cause, details }: Extract<SessionEvent, { type: "Detached" }>): string {
  const parts = [...saidOf(cause)];
  if (details === undefined) return parts.join(", ");
  const { silentMs, congestedMs, bufferedBytes, unackedRecords, unackedBytes } = details;
  parts.push(`last heard ${milliseconds(silentMs)} before`);
  if (congestedMs > 0)
    parts.push(`its socket full for ${milliseconds(congestedMs)} with ${bufferedBytes} bytes waiting`);
  if (unackedRecords > 0)
    parts.push(`${counted(unackedRecords, "record")} (${unackedBytes} bytes) sent and not acknowledged`);
  return parts.join(", ");
}

/** What a cause says beside its name, which is told already. */
function saidOf(cause: string): readonly string[] {
  const { name } = causeOf(cause);
  const words = cause.slice(name.length + 1);
  if (words === "") return [];
  if (name === byOperator) return [`in the operator's words "${words}"`];
  return [/^\d+$/.test(words) ? `code ${words}` : words];
}
const byOperator = "disconnected" satisfies CloseName;

function expiredText(detached: { readonly at: EpochMs } | undefined, time: EpochMs, windowMs: number): string {
  const away = detached === undefined ? "" : `nobody came for ${milliseconds(time - detached.at)}, `;
  return `${away}its resume window was ${milliseconds(windowMs)}`;
}

// --- connections ---

async function whyConnection(log: ReadableLog, id: string): Promise<readonly Finding[]> {
  const ended = await findEnded(log, id);
  if (ended === undefined) return await whyFromSession(log, id);
  const { closedAt, openedAt, cause, details, session, subject, remoteAddress } = ended;
  const who = subject === "" ? "an anonymous client" : `"${subject}"`;
  const what = `${who} from ${remoteAddress}, open for ${milliseconds(closedAt - openedAt)}, ${detachedText({ type: "Detached", at: closedAt, cause, details })}`;
  const own = finding(cause, { time: closedAt, what, cause });
  if (session === "") return [own];
  const after = (await sessionFindings(log, session)).filter(({ time }) => time >= openedAt);
  // What the session says of the same end is not said twice.
  const rest = after.filter((one) => one.cause !== cause || Math.abs(one.time - closedAt) > sameEndMs);
  return [own, ...rest].sort((a, b) => a.time - b.time);
}

const sameEndMs = 10_000;

async function whyFromSession(log: ReadableLog, id: string): Promise<readonly Finding[]> {
  const entries = await connectionActor.events(log, id, { after: 0, max: 1 });
  const [first] = entries;
  const session = first?.event["session"];
  if (first === undefined || typeof session !== "string")
    throw new UnknownActorError(`The log holds nothing of connection/${id}`);
  return (await sessionFindings(log, session)).filter(({ time }) => time >= first.time);
}

async function sessionFindings(log: ReadableLog, id: string): Promise<readonly Finding[]> {
  return (await log.journals.lastSeq({ kind: "session", id })) === 0 ? [] : await whySession(log, id);
}

// --- nodes ---

async function whyNode(log: ReadableLog, id: string): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  let state = initialNodeState;
  let aliveAt = 0;
  for await (const page of readJournal(log, { kind: nodeFold.kind, id }, 0))
    for (const { seq, data } of page) {
      const event = decodeNodeEvent(data);
      const told = { startedAt: state.startedAt, time: event.at, seq, aliveAt };
      const found = foundDead(state, id);
      if (event.type === "Started" && state.status === "running" && !found) findings.push(nodeDied(told));
      if (event.type === "Left" && event.by !== id && !found) findings.push(nodeDied({ ...told, by: event.by }));
      if (findings.length > sameToldMax) findings.shift();
      state = evolveNode(state, event);
      aliveAt = event.at;
    }
  if (state.status === "none") throw new UnknownActorError(`The log holds nothing of node/${id}`);
  const [first] = findings;
  const untold = state.deaths + (foundDead(state, id) ? 1 : 0) - findings.length;
  if (first !== undefined && untold > 0)
    findings[0] = { ...first, sentence: `${first.sentence} (and ${untold} more deaths before)` };
  if (state.stoppedBecause !== undefined)
    findings.push(finding("nodeStopping", { time: state.stoppedAt, what: state.stoppedBecause }));
  return findings.sort((a, b) => a.time - b.time);
}

/** Another node told so, before its next start if there was one. */
function foundDead({ status, member }: NodeState, id: string): boolean {
  return status === "running" && member?.status === "left" && member.by !== id;
}

type Found = {
  readonly startedAt: EpochMs;
  readonly aliveAt: EpochMs;
  readonly time: EpochMs;
  readonly seq: number;
  /** Absent: its own next start. */
  readonly by?: string;
};

/** Nothing says when it died, only between what. */
function nodeDied({ startedAt, aliveAt, time, seq, by }: Found): Finding {
  const last = aliveAt === startedAt ? "" : `, told something last at ${instant(aliveAt)}`;
  const found =
    by === undefined ? `this start at ${instant(time)} followed no stop` : `${by} found it gone at ${instant(time)}`;
  const what = `it had started at ${instant(startedAt)}${last}, and ${found}`;
  return finding("nodeLost", { time, seq, what });
}
