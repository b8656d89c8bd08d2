/**
 * Journals: one append is one message on the journal's own subject, after the one before it (compare-and-set).
 *
 * Owns: of two writers one is refused. What a step decided is in the journal before anything else is written or read.
 * @module
 */
import type { Clock } from "../../ports.ts";
import { journalConflict } from "../append-plan.ts";
import {
  type JournalAppend,
  type JournalEntry,
  type JournalKey,
  type JournalSnapshot,
  type Journals,
  type LogFailure,
  UnavailableError,
} from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import { packEntries, unpackEntries } from "./entries.ts";
import { type Fields, header } from "./headers.ts";
import type { Newest } from "./newest.ts";
import { failureOf, type Message, noPayload, type Publisher, refusal } from "./publisher.ts";
import { SerialByKey } from "./serial.ts";
import type { Chain, Steps } from "./steps.ts";
import { readSubject } from "./subject-reader.ts";
import { encodeToken, type Names, type Subjects } from "./subjects.ts";

type Head = {
  /** Number of the last entry. */
  readonly seq: number;
  /** Seq of the message that holds it; 0: none. */
  readonly at: number;
  /** That message is of this process: who else believes to write here will be refused. */
  readonly ours: boolean;
  /** Of the producer's steps, as it was known before that message was written. */
  readonly chain: Chain | undefined;
  /** No other node can do a step after this chain. */
  readonly fenced: boolean;
};
type Append = Awaited<ReturnType<Journals["append"]>>;

export type JournalsParts = {
  readonly api: Api;
  readonly newest: Newest;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly steps: Steps;
  /** Unique in all processes and for all time. */
  readonly op: () => string;
};

/** No step can expect a journal to end here: it would have written there first. */
const newHead: Head = { seq: 0, at: 0, ours: false, chain: undefined, fenced: true };

const headsMax = 200_000;
const triesMax = 4;
const unknownMax = 16;
/** A deleted journal's last message says so for as long as a late reader may need. */
const tombstoneTtl = "60s";
const listKeptMs = 30_000;

export class JetStreamJournals implements Journals {
  readonly #parts: JournalsParts;
  readonly #heads = new Map<string, Head>();
  /** Writes whose answer was lost: the same write comes again. */
  readonly #unknown = new Map<string, { readonly expected: number; readonly ops: readonly string[] }>();
  readonly #serial = new SerialByKey();
  #listed: { readonly kind: string; readonly ids: readonly string[]; readonly at: number } | undefined;

  constructor(parts: JournalsParts) {
    this.#parts = parts;
  }

  append(request: JournalAppend): Promise<Append> {
    const appending = this.#serial.run(nameOf(request.key), () => this.#append(request));
    return appending.catch((error: unknown) => unavailable(error instanceof Error ? error.message : String(error)));
  }

  /**
   * Number of the last entry, for a step that expects it to be one. If it is, then no other node can write an entry
   * before those of the step, which is to be done after this chain.
   */
  headFor({ key, expected }: JournalAppend): Promise<{ readonly seq: number; readonly chain: Chain | undefined }> {
    return this.#serial.run(nameOf(key), async () => {
      for (let tries = 0; tries < triesMax; tries++) {
        let head = await this.#head(key);
        const isKnown = head.ours && head.chain !== undefined && head.chain === this.#parts.steps.held(key.id);
        if (head.seq !== expected || !isKnown) head = await this.#load(key);
        if (head.seq !== expected || head.ours || (await this.#own(key, head))) return head;
      }
      throw new Error(`Journal ${nameOf(key)} is written by several nodes`);
    });
  }

  /** The entries of a step that is decided, after this chain. */
  appendDecided(request: JournalAppend, chain: Chain): Promise<Append> {
    return this.#serial.run(nameOf(request.key), async () => {
      const head = this.#heads.get(nameOf(request.key));
      if (head?.seq !== request.expected) return this.#write(request);
      this.#hold(request.key, { ...head, chain, fenced: true });
      return this.#write(request);
    });
  }

  async #append(request: JournalAppend): Promise<Append> {
    const { key, expected, entries } = request;
    for (let tries = 0; tries < triesMax; tries++) {
      // A journal that begins is written at once; that there was one already, the answer would say.
      if (expected === 0 && !this.#heads.has(nameOf(key))) this.#hold(key, newHead);
      let head = await this.#head(key);
      if (head.seq !== expected) {
        const at = await this.#writtenBefore(request);
        if (at !== undefined) return this.#wrote(key, { ...head, seq: expected + entries.length, at });
        head = await this.#load(key);
        if (head.seq !== expected) return journalConflict(key, expected, head.seq);
      }
      if (entries.length === 0) return { ok: true, seq: expected };
      if (await this.#fence(key, head)) return await this.#write(request);
      this.#heads.delete(nameOf(key)); // A step was done meanwhile, and its entries are owed to the journal.
    }
    return unavailable(`Journal ${nameOf(key)} is written by several nodes`);
  }

  /** Before an entry is written: no step that expects the journal to end here can be decided any more. */
  async #fence(key: JournalKey, head: Head): Promise<boolean> {
    const { steps } = this.#parts;
    if (!steps.atomic) return true;
    if (head.chain !== steps.held(key.id)) return false;
    if (head.fenced) return true;
    if (head.chain === undefined || !(await steps.claim(key.id, head.chain))) return false;
    this.#hold(key, { ...head, fenced: true });
    return true;
  }

  /** Before a step: a message without entries, after which whoever wrote here before is refused. */
  async #own(key: JournalKey, head: Head): Promise<boolean> {
    const { publisher, subjects, op } = this.#parts;
    const id = op();
    const fields: Fields = { [header.expectedLast]: head.at, [header.op]: id, [header.entries]: span(head.seq, 0) };
    const result = await publisher.publish([{ subject: subjects.journal(key), fields, payload: noPayload }]);
    if (!result.ok && result.code !== refusal.wrongLastSeq) throw new UnavailableError(result.message);
    const newest = result.ok ? undefined : await this.#newest(key);
    if (result.ok || newest?.headers?.get(header.op) === id) {
      this.#hold(key, { ...head, at: result.ok ? result.seq : (newest?.seq ?? 0), ours: true });
      return true;
    }
    this.#heads.delete(nameOf(key));
    return false;
  }

  async #write({ key, expected, entries }: JournalAppend): Promise<Append> {
    const { publisher, subjects, op } = this.#parts;
    const head = await this.#head(key);
    if (head.seq !== expected) return journalConflict(key, expected, head.seq);
    const last = expected + entries.length;
    const id = op();
    const fields: Fields = {
      [header.expectedLast]: head.at,
      [header.op]: id,
      [header.entries]: span(expected, entries.length),
    };
    const payload = packEntries(entries);
    const result = await publisher.publish([{ subject: subjects.journal(key), fields, payload }]);
    if (result.ok) return this.#wrote(key, { ...head, seq: last, at: result.seq });
    this.#heads.delete(nameOf(key));
    if (result.code === refusal.noSpace) return failureOf(result);
    this.#doubt(key, expected, id);
    if (result.code !== refusal.wrongLastSeq) return failureOf(result);
    const at = await this.#writtenBefore({ key, expected, entries });
    if (at !== undefined) return this.#wrote(key, { ...head, seq: last, at });
    const { seq } = await this.#load(key);
    // Expired or deleted behind our back: nothing was refused but an old place.
    return seq === expected ? unavailable(`Journal ${nameOf(key)} moved`) : journalConflict(key, expected, seq);
  }

  #wrote(key: JournalKey, head: Head): Append {
    this.#unknown.delete(nameOf(key));
    this.#hold(key, { ...head, ours: true });
    return { ok: true, seq: head.seq };
  }

  #doubt(key: JournalKey, expected: number, op: string): void {
    const name = nameOf(key);
    const before = this.#unknown.get(name);
    const ops = before?.expected === expected ? before.ops : [];
    if (this.#unknown.size >= headsMax) this.#unknown.delete(this.#unknown.keys().next().value as string);
    this.#unknown.set(name, { expected, ops: [...ops, op].slice(-unknownMax) });
  }

  /** Where the journal ends with these very entries, in a write of ours whose answer was lost. */
  async #writtenBefore({ key, expected, entries }: JournalAppend): Promise<number | undefined> {
    const unknown = this.#unknown.get(nameOf(key));
    if (unknown?.expected !== expected) return undefined;
    const newest = await this.#newest(key);
    if (newest === undefined || !unknown.ops.includes(newest.headers?.get(header.op) ?? "")) return undefined;
    return Buffer.compare(newest.data, packEntries(entries)) === 0 ? newest.seq : undefined;
  }

  // --- where it ends ---

  async #head(key: JournalKey): Promise<Head> {
    return this.#heads.get(nameOf(key)) ?? this.#load(key);
  }

  /** As the leader has it, and with what a step still owes it. */
  async #load(key: JournalKey): Promise<Head> {
    return (await this.#loadWhole(key)).head;
  }

  async #loadWhole(key: JournalKey): Promise<{ readonly head: Head; readonly newest: Stored | undefined }> {
    // Together: if a step comes in between, the claim that goes before an entry is refused.
    const [newest, chain] = await Promise.all([this.#newest(key), this.#parts.steps.anew(key.id)]);
    const seq = lastEntryOf(newest);
    const journal = this.#parts.steps.owed(chain, key, seq);
    const fenced = newest === undefined || (newest.headers?.get(header.deleted) ?? "") !== "";
    const head = this.#hold(key, { seq, at: newest?.seq ?? 0, ours: false, chain, fenced });
    if (journal === undefined) return { head, newest };
    const written = await this.#write(journal);
    if (!written.ok && written.code !== "conflict") throw new UnavailableError(written.message);
    const after = this.#heads.get(nameOf(key));
    if (after === undefined) return this.#loadWhole(key);
    // Who did that step may still be there, and do another.
    return { head: this.#hold(key, { ...after, fenced: false }), newest: undefined };
  }

  #newest(key: JournalKey): Promise<Stored | undefined> {
    return this.#parts.newest.of(this.#parts.names.journals, this.#parts.subjects.journal(key));
  }

  #hold(key: JournalKey, head: Head): Head {
    if (this.#heads.size >= headsMax) this.#heads.delete(this.#heads.keys().next().value as string);
    this.#heads.set(nameOf(key), head);
    return head;
  }

  lastSeq(key: JournalKey): Promise<number> {
    return this.#serial.run(nameOf(key), async () => (await this.#load(key)).seq);
  }

  // --- reading ---

  read(key: JournalKey, after: number, max: number): Promise<readonly JournalEntry[]> {
    return this.#serial.run(nameOf(key), async () => {
      const { api, clock, names, subjects } = this.#parts;
      const { head, newest } = await this.#loadWhole(key);
      const entries: JournalEntry[] = [];
      if (head.seq <= after) return entries;
      if (newest !== undefined && range(newest)[0] === after + 1) return entriesOf(newest).slice(0, max);
      const messages = { stream: names.journals, subject: subjects.journal(key), from: 1, last: head.at };
      for await (const message of readSubject(api, clock, messages)) {
        for (const entry of entriesOf(message)) if (entry.seq > after && entries.length < max) entries.push(entry);
        if (entries.length >= max) break;
      }
      return entries;
    });
  }

  async list(kind: string, cursor: string, max: number): Promise<readonly string[]> {
    const { api, clock, names, subjects } = this.#parts;
    const now = clock.now();
    if (cursor === "" || this.#listed?.kind !== kind || now - this.#listed.at > listKeptMs) {
      const found = await api.subjects(names.journals, subjects.journalsOf(kind));
      const ids = found.map((subject) => subjects.journalIdOf(subject)).sort();
      this.#listed = { kind, ids, at: now };
    }
    const page: string[] = [];
    for (const id of this.#listed.ids) {
      if (id <= cursor) continue;
      // Deleted ones leave a message that says so for a while.
      if ((await this.#heldOrNewest({ kind, id })) > 0) page.push(id);
      if (page.length >= max) break;
    }
    return page;
  }

  async #heldOrNewest(key: JournalKey): Promise<number> {
    return this.#heads.get(nameOf(key))?.seq ?? lastEntryOf(await this.#newest(key));
  }

  // --- snapshots, end ---

  async saveSnapshot(key: JournalKey, { seq, data }: JournalSnapshot): Promise<void> {
    const fields: Fields = { [header.rollup]: "sub", [header.entries]: seq };
    await this.#must({ subject: this.#parts.subjects.snapshot(key), fields, payload: data });
  }

  async loadSnapshot(key: JournalKey): Promise<JournalSnapshot | undefined> {
    const { newest, names, subjects } = this.#parts;
    const found = await newest.of(names.journals, subjects.snapshot(key));
    const seq = Number(found?.headers?.get(header.entries) || 0);
    return found === undefined || seq === 0 ? undefined : { seq, data: found.data };
  }

  delete(key: JournalKey): Promise<void> {
    return this.#serial.run(nameOf(key), async () => {
      const fields: Fields = { [header.rollup]: "sub", [header.ttl]: tombstoneTtl, [header.deleted]: 1 };
      for (const subject of [this.#parts.subjects.journal(key), this.#parts.subjects.snapshot(key)])
        await this.#must({ subject, fields, payload: noPayload });
      this.#heads.delete(nameOf(key));
      this.#unknown.delete(nameOf(key));
    });
  }

  async #must(message: Message): Promise<void> {
    const result = await this.#parts.publisher.publish([message]);
    if (!result.ok) throw new Error(`${message.subject} could not be written: ${result.message}`);
  }
}

function nameOf({ kind, id }: JournalKey): string {
  return `${encodeToken(kind)}.${encodeToken(id)}`;
}

function range(message: Stored): readonly [number, number] {
  const [first, last] = (message.headers?.get(header.entries) ?? "").split("-").map(Number);
  return [first ?? 0, last ?? 0];
}

function span(after: number, count: number): string {
  return `${after + 1}-${after + count}`;
}

function lastEntryOf(message: Stored | undefined): number {
  return message === undefined ? 0 : range(message)[1];
}

function entriesOf(message: Stored): JournalEntry[] {
  const [first] = range(message);
  if (first === 0) return [];
  return unpackEntries(message.data).map((data, i) => ({ seq: first + i, time: message.timeMs, data }));
}

function unavailable(message: string): LogFailure {
  return { ok: false, code: "unavailable", message, retryable: true };
}
