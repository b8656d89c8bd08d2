/**
 * Copies a log into another that holds nothing: records in their order, sessions' journals, settings.
 *
 * Places in one log mean nothing in another, and journals hold places: every session ends with the copy, and its
 * journal stays for replay.
 *
 * Owns: what is answered as copied is in the target, as durable as its tier says.
 * @module
 */

import { evolve } from "../../actors/session/evolve.ts";
import { decodeEvent, encodeEvent } from "../../actors/session/persist.ts";
import { initialState } from "../../actors/session/state.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { EventLog, JournalKey, LogFailure, LogRecord } from "../../runtime/log/event-log.ts";
import { EndedJournals } from "../../runtime/session/ended-journals.ts";

export type CopyOptions = {
  readonly now: () => EpochMs;
  /** Called now and then with the number of records that are copied. */
  readonly progress: (records: number) => void;
};
export type Copied = { readonly records: number; readonly sessions: number; readonly keys: number };

/** The target took no more. */
export class CopyError extends Error {
  override readonly name = "CopyError";
}

/** When a record was published, in the log that it comes from. */
const timeHeader = "Weir-Time";
const endCause = "logCopied";

/** A wildcard does not match the gateway's own topics. */
const filters = [">", "$dead.>", "$lifecycle.>"];
const windowSeqs = 256;
const pageBytes = 4 * 1_048_576;
const pageEntries = 256;
const pageKeys = 256;
const progressEvery = 100_000;
const kind = "session";

export async function isEmpty(log: EventLog): Promise<boolean> {
  if (log.info().records > 0) return false;
  if ((await log.journals.list(kind, "", 1)).length > 0) return false;
  return (await log.keyValue.list("", "", 1)).length === 0;
}

export async function copyLog(from: EventLog, to: EventLog, options: CopyOptions): Promise<Copied> {
  const records = await copyRecords(from, to, options);
  const keys = await copyKeys(from, to);
  const sessions = await copySessions(from, to, options);
  return { records, sessions, keys };
}

// --- records ---

async function copyRecords(from: EventLog, to: EventLog, { progress }: CopyOptions): Promise<number> {
  const { firstSeq, lastSeq } = from.info();
  let copied = 0;
  for (let after = firstSeq - 1; after < lastSeq; after += windowSeqs) {
    const records = await recordsIn(from, after, Math.min(after + windowSeqs, lastSeq));
    if (records.length === 0) continue;
    taken(await to.append({ records: records.map(withTime) }), `${copied} records were copied`);
    if (Math.floor(copied / progressEvery) < Math.floor((copied + records.length) / progressEvery))
      progress(copied + records.length);
    copied += records.length;
  }
  return copied;
}

async function recordsIn(log: EventLog, after: Seq, until: Seq): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (const filter of filters) {
    for (let at = after; at < until; ) {
      const page = await log.read({ filter, after: at, until, recordsMax: windowSeqs, bytesMax: pageBytes });
      records.push(...page.records);
      at = page.scannedTo;
    }
  }
  return records.sort((a, b) => a.seq - b.seq);
}

function withTime({ topic, id, lane, payload, time, headers }: LogRecord) {
  return { topic, id, lane, payload, headers: { ...headers, [timeHeader]: new Date(time).toISOString() } };
}

// --- journals ---

async function copySessions(from: EventLog, to: EventLog, { now }: CopyOptions): Promise<number> {
  const ended = new EndedJournals(to);
  let copied = 0;
  for (let cursor = ""; ; ) {
    const ids = await from.journals.list(kind, cursor, pageEntries);
    for (const id of ids) {
      if (await copySession(from, to, { key: { kind, id }, at: now() })) await ended.note(id, now());
      copied++;
    }
    const last = ids[ids.length - 1];
    if (last === undefined || ids.length < pageEntries) return copied;
    cursor = last;
  }
}

/** True: the session was not over, and is now. */
async function copySession(
  from: EventLog,
  to: EventLog,
  { key, at }: { key: JournalKey; at: EpochMs },
): Promise<boolean> {
  let state = initialState;
  let seq = 0;
  const append = async (entries: readonly Uint8Array[]): Promise<void> => {
    const result = await to.journals.append({ key, expected: seq, entries });
    taken(result, `Journal ${key.kind}/${key.id} was copied up to ${seq}`);
    seq += entries.length;
  };
  for (;;) {
    const page = await from.journals.read(key, seq, pageEntries);
    if (page.length === 0) break;
    for (const { data } of page) state = evolve(state, decodeEvent(data));
    await append(page.map(({ data }) => data));
  }
  if (state.status !== "open") return false;
  await append([encodeEvent({ type: "Closed", at, cause: endCause })]);
  return true;
}

// --- settings ---

async function copyKeys(from: EventLog, to: EventLog): Promise<number> {
  let copied = 0;
  for (let cursor = ""; ; ) {
    const page = await from.keyValue.list("", cursor, pageKeys);
    for (const { key, value } of page) taken(await to.keyValue.put(key, value), `${copied++} keys were copied`);
    const last = page[page.length - 1];
    if (last === undefined || page.length < pageKeys) return copied;
    cursor = last.key;
  }
}

function taken(result: { readonly ok: true } | LogFailure, soFar: string): void {
  if (!result.ok) throw new CopyError(`${soFar}, then the target took no more: ${result.message}`);
}
