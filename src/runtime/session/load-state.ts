/**
 * What a session's journal says, folded.
 * @module
 */
import { evolve } from "../../actors/session/evolve.ts";
import { decodeEvent } from "../../actors/session/persist.ts";
import { initialState, type SessionState } from "../../actors/session/state.ts";
import type { SessionId } from "../../protocol/ids.ts";
import { readJournal } from "../journal.ts";
import type { EventLog, JournalKey } from "../log/event-log.ts";
import type { Services } from "../services.ts";
import { decodeSnapshot } from "./snapshot.ts";

const sessionKind = "session";
const listPage = 256;
const visitsAtOnce = 32;

export const journalKeyOf = (id: string): JournalKey => ({ kind: sessionKind, id });

/** Snapshot plus newer entries; the same as folding everything. */
export async function loadState(
  services: Services,
  id: SessionId,
): Promise<{ readonly state: SessionState; readonly seq: number }> {
  const { log } = services.ports;
  const saved = await log.journals.loadSnapshot(journalKeyOf(id));
  const from = saved === undefined ? undefined : decodeSnapshot(saved.data);
  let state = from ?? initialState;
  let seq = from === undefined || saved === undefined ? 0 : saved.seq;
  for await (const page of readJournal(log, journalKeyOf(id), seq)) {
    for (const entry of page) {
      state = evolve(state, decodeEvent(entry.data));
      seq = entry.seq;
    }
  }
  return { state, seq };
}

/** Visits every session that has a journal, several at once. */
export async function eachSession(
  log: EventLog,
  { visit, isOver }: { readonly visit: (id: SessionId) => Promise<void>; readonly isOver: () => boolean },
): Promise<void> {
  for (let cursor = ""; !isOver(); ) {
    const ids = await log.journals.list(sessionKind, cursor, listPage);
    for (let i = 0; i < ids.length && !isOver(); i += visitsAtOnce)
      await Promise.all(ids.slice(i, i + visitsAtOnce).map((id) => visit(id as SessionId)));
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < listPage) return;
    cursor = last;
  }
}
