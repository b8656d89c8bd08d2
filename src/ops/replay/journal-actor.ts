/**
 * Actors that are the fold of a journal of their own: read, folded up to a point, shown.
 *
 * The state after the last event comes from the newest snapshot and what follows it; a state in between is folded from
 * the first event on.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import { readJournal } from "../../runtime/journal.ts";
import type { JournalEntry } from "../../runtime/log/event-log.ts";
import type { ActorKind, ActorState, At, IdPage, JsonObject, TimelineEntry } from "./actor.ts";
import type { ReadableLog } from "./readable-log.ts";

export type Fold<State, Event> = {
  readonly kind: string;
  readonly statechart: string;
  readonly id: RegExp;
  readonly initial: State;
  decode(data: Uint8Array): Event;
  evolve(state: State, event: Event): State;
  /** Undefined: of another version, not usable. */
  restore(snapshot: Uint8Array): State | undefined;
  typeOf(event: Event): string;
  stateName(state: State): string;
  view(state: State): JsonObject;
  summary(event: Event): string;
  show(event: Event): JsonObject;
};

/** Begins a cursor, so that what was made up is known from what a page gave. */
const afterId = "after:";

export type Folded<State> = { readonly state: State; readonly seq: number; readonly time: EpochMs };

export function journalActor<State, Event>(fold: Fold<State, Event>): ActorKind {
  return {
    kind: fold.kind,
    statechart: fold.statechart,
    cursor: new RegExp(`^${afterId}${fold.id.source.replace(/^\^/, "")}`),
    list: async (log, cursor, max) => {
      const page = idPage(await log.journals.list(fold.kind, cursor.slice(afterId.length), max), max);
      return page.next === undefined ? page : { ...page, next: `${afterId}${page.next}` };
    },
    async stateAt(log, id, at) {
      const folded = await foldJournal(fold, { log, id, ...(at === undefined ? {} : { at }) });
      if (folded.seq === 0 && (at === undefined || (await log.journals.lastSeq({ kind: fold.kind, id })) === 0))
        return undefined;
      return await actorState(fold, folded, { log, id });
    },
    async events(log, id, { after, max }) {
      const entries = await log.journals.read({ kind: fold.kind, id }, after, max);
      return entries.map((entry) => shown(fold, entry));
    },
  };
}

type Where = { readonly log: ReadableLog; readonly id: string };

async function actorState<State, Event>(
  fold: Fold<State, Event>,
  { state, seq, time }: Folded<State>,
  { log, id }: Where,
): Promise<ActorState> {
  const [first] = await log.journals.read({ kind: fold.kind, id }, 0, 1);
  return { seq, time, since: first?.time ?? time, state: fold.stateName(state), view: fold.view(state) };
}

/** `at` absent: everything, beginning at the newest snapshot. */
export async function foldJournal<State, Event>(
  fold: Pick<Fold<State, Event>, "kind" | "initial" | "decode" | "evolve" | "restore">,
  { log, id, at }: Where & { readonly at?: At },
): Promise<Folded<State>> {
  const key = { kind: fold.kind, id };
  const saved = await log.journals.loadSnapshot(key);
  // A snapshot does not tell when its last event was: it serves only where it is known to lie before the point asked for.
  const usable = saved !== undefined && (at === undefined || ("seq" in at && saved.seq <= at.seq)) ? saved : undefined;
  const restored = usable === undefined ? undefined : fold.restore(usable.data);
  let state = restored ?? fold.initial;
  let seq = restored === undefined ? 0 : (usable?.seq ?? 0);
  let time = restored === undefined ? 0 : await timeOf(log, key, seq);
  for await (const page of readJournal(log, key, seq)) {
    for (const entry of page) {
      if (at !== undefined && ("seq" in at ? entry.seq > at.seq : entry.time > at.time)) return { state, seq, time };
      state = fold.evolve(state, fold.decode(entry.data));
      seq = entry.seq;
      time = entry.time;
    }
  }
  return { state, seq, time };
}

async function timeOf(log: ReadableLog, key: { kind: string; id: string }, seq: number): Promise<EpochMs> {
  return (await log.journals.read(key, seq - 1, 1))[0]?.time ?? 0;
}

function shown<Event>(
  fold: Pick<Fold<unknown, Event>, "decode" | "typeOf" | "summary" | "show">,
  { seq, time, data }: JournalEntry,
): TimelineEntry {
  const event = fold.decode(data);
  return { seq, time, type: fold.typeOf(event), summary: fold.summary(event), event: fold.show(event) };
}

export function idPage(ids: readonly string[], max: number): IdPage {
  const last = ids[ids.length - 1];
  return last === undefined || ids.length < max ? { ids } : { ids, next: last };
}
