/**
 * What a session's journal says, folded.
 * @module
 */
import { evolve } from "../../actors/session/evolve.ts";
import { decodeEvent } from "../../actors/session/persist.ts";
import { initialState, type SessionState } from "../../actors/session/state.ts";
import type { SessionId } from "../../protocol/ids.ts";
import { readJournal } from "../journal.ts";
import type { EventLog, JournalEntry, JournalKey } from "../log/event-log.ts";
import type { Services } from "../services.ts";
import { decodeSnapshot } from "./snapshot.ts";

const sessionKind = "session";
const listPage = 256;
export const restoreRetryMs = 5_000;
const visitsAtOnce = 32;
const firstMax = 64;

export const journalKeyOf = (id: string): JournalKey => ({ kind: sessionKind, id });

/** Snapshot plus newer entries; the same as folding everything. */
export async function loadState(
  services: { readonly ports: { readonly log: EventLog } },
  id: SessionId,
): Promise<{ readonly state: SessionState; readonly seq: number }> {
  const { log } = services.ports;
  const key = journalKeyOf(id);
  // Most journals are short: asked for together, and a snapshot saves no second question.
  const [saved, first] = await Promise.all([log.journals.loadSnapshot(key), log.journals.read(key, 0, firstMax)]);
  const from = saved === undefined ? undefined : decodeSnapshot(saved.data);
  let state = from ?? initialState;
  let seq = from === undefined || saved === undefined ? 0 : saved.seq;
  const fold = (entries: readonly JournalEntry[]): void => {
    for (const entry of entries) {
      if (entry.seq <= seq) continue;
      state = evolve(state, decodeEvent(entry.data));
      seq = entry.seq;
    }
  };
  fold(first);
  if (first.length === firstMax) for await (const page of readJournal(log, key, seq)) fold(page);
  return { state, seq };
}

/** The node that had it last. Undefined: it is over, or never was. */
export async function lastNodeOf(log: EventLog, id: string): Promise<string | undefined> {
  const { state } = await loadState({ ports: { log } }, id as SessionId);
  return state.status === "open" ? state.lastNode : undefined;
}

export type Visits = { readonly visit: (id: SessionId) => Promise<void>; readonly isOver: () => boolean };

/** Visits every session that has a journal. A log that is away is asked again. */
export function visitInTime(services: Services, visits: Visits): void {
  const { log, logger, clock } = services.ports;
  eachSession(log, visits).catch((error: unknown) => {
    logger.log("warn", "sessions not restored yet", { error: String(error), retryMs: restoreRetryMs });
    clock.after(restoreRetryMs, () => visitInTime(services, visits));
  });
}

/** Several at once. */
async function eachSession(log: EventLog, { visit, isOver }: Visits): Promise<void> {
  for (let cursor = ""; !isOver(); ) {
    const ids = await log.journals.list(sessionKind, cursor, listPage);
    for (let i = 0; i < ids.length && !isOver(); i += visitsAtOnce)
      await Promise.all(ids.slice(i, i + visitsAtOnce).map((id) => visit(id as SessionId)));
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < listPage) return;
    cursor = last;
  }
}
