/**
 * Connections as somebody who looks back sees them: what their node told when they ended, and what the session says that
 * they carried. One whose node died was told of by its session alone.
 * @module
 */
import type { ConnectionEnded } from "../../actors/node/events.ts";
import { decodeNodeEvent } from "../../actors/node/persist.ts";
import { readJournal } from "../../runtime/journal.ts";
import { connectionsKind } from "../../runtime/node-journal.ts";
import type { ActorKind, ActorState, At, IdPage, JsonObject, TimelineEntry } from "./actor.ts";
import type { ReadableLog } from "./readable-log.ts";
import { milliseconds } from "./text.ts";
import { visitSessions } from "./visit-sessions.ts";

export const connectionActor: ActorKind = {
  kind: "connection",
  statechart: "connection",
  cursor: /^\S+\/\d{4}-\d\d-\d\dT\d\d \d+ \d+$/,
  list,
  async stateAt(log, id, at) {
    const entries = await entriesOf(log, id);
    return entries.length === 0 ? undefined : stateOf(entries, at);
  },
  async events(log, id, { after, max }) {
    return (await entriesOf(log, id)).slice(after, after + max);
  },
};

/** The newest with this id: a node that is started again under its name counts from 1 again. */
export async function findEnded(log: ReadableLog, id: string): Promise<ConnectionEnded | undefined> {
  const node = nodeOf(id);
  if (node === undefined) return undefined;
  let found: ConnectionEnded | undefined;
  for await (const journal of journalsAfter(log, `${node}/`)) {
    if (journal.slice(0, journal.lastIndexOf("/")) !== node) break;
    for await (const { connection } of endedIn(log, journal)) if (connection.id === id) found = connection;
  }
  return found;
}

/** `<node>/c<number>`. */
export function nodeOf(id: string): string | undefined {
  return /^(.+)\/c\d+$/.exec(id)?.[1];
}

// --- listing: a cursor is the place of the last one, as `<journal> <seq> <index>` ---

async function list(log: ReadableLog, cursor: string, max: number): Promise<IdPage> {
  const [journal = "", seq = "0", index = "-1"] = cursor === "" ? [] : cursor.split(" ");
  const ids: string[] = [];
  const journals = journal === "" ? journalsAfter(log, "") : startingWith(journal, journalsAfter(log, journal));
  for await (const at of journals) {
    const after = at === journal ? { seq: Number(seq), index: Number(index) } : { seq: 0, index: -1 };
    for await (const one of endedIn(log, at, after)) {
      ids.push(one.connection.id);
      if (ids.length === max) return { ids, next: `${at} ${one.seq} ${one.index}` };
    }
  }
  return { ids };
}

async function* startingWith<T>(first: T, others: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* others;
}

const journalsPage = 256;

async function* journalsAfter(log: ReadableLog, cursor: string): AsyncGenerator<string> {
  for (let at = cursor; ; ) {
    const ids = await log.journals.list(connectionsKind, at, journalsPage);
    yield* ids;
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < journalsPage) return;
    at = last;
  }
}

type Place = { readonly seq: number; readonly index: number };
type Told = Place & { readonly connection: ConnectionEnded };

async function* endedIn(log: ReadableLog, id: string, after: Place = { seq: 0, index: -1 }): AsyncGenerator<Told> {
  const key = { kind: connectionsKind, id };
  for await (const page of readJournal(log, key, Math.max(0, after.seq - 1)))
    for (const { seq, data } of page) {
      const event = decodeNodeEvent(data);
      if (event.type !== "ConnectionsEnded") continue;
      for (const [index, connection] of event.connections.entries())
        if (seq > after.seq || index > after.index) yield { seq, index, connection };
    }
}

// --- one of them ---

async function entriesOf(log: ReadableLog, id: string): Promise<readonly TimelineEntry[]> {
  const ended = await findEnded(log, id);
  const entries: Omit<TimelineEntry, "seq">[] = ended === undefined ? await fromSessions(log, id) : told(ended);
  return entries.map((entry, index) => ({ seq: index + 1, ...entry }));
}

function told(ended: ConnectionEnded): Omit<TimelineEntry, "seq">[] {
  const { id, session, subject, remoteAddress, codec, agent, openedAt, closedAt, cause, details } = ended;
  const from = { id, remoteAddress, codec, agent };
  const carried = session === "" ? "before it had a session" : `with session ${session}`;
  return [
    {
      ...{ time: openedAt, type: "Opened", event: { type: "Opened", at: openedAt, ...from } },
      summary: `Opened from ${remoteAddress} with ${codec}${agent === "" ? "" : ` by ${agent}`}`,
    },
    {
      ...{ time: closedAt, type: "Ended" },
      event: { type: "Ended", at: closedAt, session, subject, cause, details: { ...details } },
      summary: `Ended after ${milliseconds(closedAt - openedAt)} ${carried}: ${cause}`,
    },
  ];
}

/** It has not ended, or nobody lived to tell: its session knows when it had it. */
async function fromSessions(log: ReadableLog, id: string): Promise<Omit<TimelineEntry, "seq">[]> {
  const entries: Omit<TimelineEntry, "seq">[] = [];
  if (nodeOf(id) === undefined) return entries;
  await visitSessions(log, async (session, events) => {
    let attached = false;
    for await (const { event } of events()) {
      if (event.type === "Attached") attached = event.connection === id;
      if (!attached || (event.type !== "Attached" && event.type !== "Detached" && event.type !== "Closed")) continue;
      const cause = event.type === "Attached" ? "" : event.cause;
      entries.push({
        ...{ time: event.at, type: event.type, event: { type: event.type, at: event.at, session, cause } },
        summary: event.type === "Attached" ? `Attached session ${session}` : `Let go of session ${session}: ${cause}`,
      });
      if (event.type !== "Attached") attached = false;
    }
  });
  return entries.sort((a, b) => a.time - b.time);
}

function stateOf(entries: readonly TimelineEntry[], at?: At): ActorState {
  const upTo = entries.filter(({ seq, time }) => at === undefined || ("seq" in at ? seq <= at.seq : time <= at.time));
  const last = upTo[upTo.length - 1];
  const view: Record<string, JsonObject[string]> = {};
  for (const { event } of upTo)
    for (const [name, value] of Object.entries(event)) if (name !== "type" && name !== "at") view[name] = value;
  const names: Readonly<Record<string, string>> = {
    Opened: "open",
    Attached: "open",
    Detached: "closed",
    Closed: "closed",
    Ended: "closed",
  };
  return {
    seq: last?.seq ?? 0,
    time: last?.time ?? 0,
    since: entries[0]?.time ?? 0,
    state: last === undefined ? "none" : (names[last.type] ?? "open"),
    view,
  };
}
