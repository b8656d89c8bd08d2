/**
 * Actors of a log, what they are now, what they were, and how they came there.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { ConnectionView, SessionView } from "../../runtime/inspection.ts";
import type { ActorKey, At, JsonObject, TimelineEntry } from "./actor.ts";
import { actorKindOf } from "./actor-kinds.ts";
import type { LiveState } from "./live.ts";
import type { ReadableLog } from "./readable-log.ts";

export type ListActorsOptions = {
  readonly kind: string;
  /** Only actors in this state of their statechart. */
  readonly state?: string;
  /** `next` of the page before; absent: from the beginning. */
  readonly cursor?: string;
  readonly max: number;
};
export type ActorRow = {
  readonly kind: string;
  readonly id: string;
  readonly state: string;
  /** Of its first event. */
  readonly since: EpochMs;
  readonly lastEventAt: EpochMs;
  readonly events: number;
};
export type ActorPage = { readonly actors: readonly ActorRow[]; readonly next?: string };

export type Inspection = {
  readonly key: ActorKey;
  /** Events that are folded; 0: it did not exist yet. */
  readonly seq: number;
  /** Of the last of them. */
  readonly time: EpochMs;
  /** The last of them. */
  readonly event?: TimelineEntry;
  readonly statechart: { readonly name: string; readonly state: string };
  readonly state: JsonObject;
  /** What its node holds in memory now: credit, open transactions, what is in flight. Of a point in the past there is none. */
  readonly live?: SessionView | ConnectionView;
};

export type TimelineOptions = { readonly after?: number; readonly max: number };

export class CursorError extends Error {
  override readonly name = "CursorError";
}

export class UnknownActorError extends Error {
  override readonly name = "UnknownActorError";
}

const foldsAtOnce = 16;
/** Actors that one call looks at while it searches for a state. */
const searchedMax = 4_096;

/** A page in order of id. With `state` it may hold fewer than `max` and still have a next one. */
export async function listActors(log: ReadableLog, options: ListActorsOptions): Promise<ActorPage> {
  const { kind, state, max } = options;
  const source = actorKindOf(kind);
  const actors: ActorRow[] = [];
  let cursor = options.cursor ?? "";
  if (cursor !== "" && !source.cursor.test(cursor))
    throw new CursorError(`cursor must be "next" of the page before, got "${cursor}"`);
  for (let searched = 0; ; ) {
    const page = await source.list(log, cursor, Math.min(max - actors.length, max));
    for (let i = 0; i < page.ids.length; i += foldsAtOnce)
      for (const row of await Promise.all(page.ids.slice(i, i + foldsAtOnce).map((id) => rowOf(log, { kind, id }))))
        if (row !== undefined && (state === undefined || row.state === state)) actors.push(row);
    searched += page.ids.length;
    if (page.next === undefined) return { actors };
    if (actors.length >= max || searched >= searchedMax) return { actors, next: page.next };
    cursor = page.next;
  }
}

async function rowOf(log: ReadableLog, { kind, id }: ActorKey): Promise<ActorRow | undefined> {
  const found = await actorKindOf(kind).stateAt(log, id);
  if (found === undefined) return undefined;
  const { state, since, time: lastEventAt, seq: events } = found;
  return { kind, id, state, since, lastEventAt, events };
}

/** `at` absent: now, with what the running gateway adds. Throws `UnknownActorError`. */
export async function inspectActor(
  log: ReadableLog,
  key: ActorKey,
  { at, live }: { readonly at?: At; readonly live?: LiveState } = {},
): Promise<Inspection> {
  const source = actorKindOf(key.kind);
  const found = await source.stateAt(log, key.id, at);
  if (found === undefined) throw new UnknownActorError(`The log holds nothing of ${key.kind}/${key.id}`);
  const { seq, time, state, view } = found;
  const [event] = seq === 0 ? [] : await source.events(log, key.id, { after: seq - 1, max: 1 });
  const now = at === undefined ? await liveOf(key, live) : undefined;
  return {
    ...{ key, seq, time, state: view, statechart: { name: source.statechart, state } },
    ...(event === undefined ? {} : { event }),
    ...(now === undefined ? {} : { live: now }),
  };
}

async function liveOf({ kind, id }: ActorKey, live: LiveState | undefined) {
  if (kind === "session") return await live?.session(id);
  return kind === "connection" ? await live?.connection(id) : undefined;
}

/** Events in order, those with seq > `after`. */
export async function timeline(
  log: ReadableLog,
  key: ActorKey,
  { after = 0, max }: TimelineOptions,
): Promise<readonly TimelineEntry[]> {
  return await actorKindOf(key.kind).events(log, key.id, { after, max });
}
