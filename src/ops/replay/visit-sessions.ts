/**
 * Goes through the journals of all sessions of a log, event by event, one page in memory.
 * @module
 */
import type { SessionEvent } from "../../actors/session/events.ts";
import { decodeEvent } from "../../actors/session/persist.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import { readJournal } from "../../runtime/journal.ts";
import type { ReadableLog } from "./readable-log.ts";

export type JournalledEvent = { readonly seq: number; readonly time: EpochMs; readonly event: SessionEvent };
export type Visit = (id: string, events: () => AsyncGenerator<JournalledEvent>) => Promise<void>;

const pageMax = 256;
/** A log on the network answers several questions as fast as one. */
const atOnce = 16;

export async function visitSessions(log: ReadableLog, visit: Visit): Promise<void> {
  for (let cursor = ""; ; ) {
    const ids = await log.journals.list("session", cursor, pageMax);
    for (let i = 0; i < ids.length; i += atOnce)
      await Promise.all(ids.slice(i, i + atOnce).map((id) => visit(id, () => sessionEvents(log, id))));
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < pageMax) return;
    cursor = last;
  }
}

export async function* sessionEvents(log: ReadableLog, id: string): AsyncGenerator<JournalledEvent> {
  for await (const page of readJournal(log, { kind: "session", id }, 0))
    for (const { seq, time, data } of page) yield { seq, time, event: decodeEvent(data) };
}
