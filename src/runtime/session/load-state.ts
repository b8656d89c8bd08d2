/**
 * What a session's journal says, folded.
 * @module
 */
import { evolve } from "../../actors/session/evolve.ts";
import { decodeEvent } from "../../actors/session/persist.ts";
import { initialState, type SessionState } from "../../actors/session/state.ts";
import type { SessionId } from "../../protocol/ids.ts";
import { readJournal } from "../journal.ts";
import type { JournalKey } from "../log/event-log.ts";
import type { Services } from "../services.ts";
import { decodeSnapshot } from "./snapshot.ts";

export const sessionKind = "session";
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
