/**
 * Journals: one append is one message on the journal's own subject, after the one before it (compare-and-set).
 *
 * Owns: of two writers one is refused. What a step decided is in the journal before anything else is written or read.
 * @module
 */
import type { Clock } from "../../ports.ts";
import { journalConflict } from "../append-plan.ts";
import type { JournalAppend, JournalEntry, JournalKey, JournalSnapshot, Journals, LogFailure } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import { packEntries, unpackEntries } from "./entries.ts";
import { type Fields, header } from "./headers.ts";
import { type Message, noPayload, type Publisher, refusal } from "./publisher.ts";
import { SerialByKey } from "./serial.ts";
import type { Steps } from "./steps.ts";
import { readSubject } from "./subject-reader.ts";
import { encodeToken, type Names, type Subjects } from "./subjects.ts";

type Head = {
  /** Number of the last entry. */
  readonly seq: number;
  /** Seq of the message that holds it; 0: none. */
  readonly at: number;
  /** Another process may have written it: before our first append it is made sure that it cannot go on. */
  readonly fromElsewhere: boolean;
  readonly claimed: boolean;
};
type Append = Awaited<ReturnType<Journals["append"]>>;

export type JournalsParts = {
  readonly api: Api;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly steps: Steps;
  /** Unique in all processes and for all time. */
  readonly op: () => string;
};

const newHead: Head = { seq: 0, at: 0, fromElsewhere: false, claimed: true };

const headsMax = 200_000;
const triesMax = 4;
/** A deleted journal's last message says so for as long as a late reader may need. */
const tombstoneTtl = "60s";
const listKeptMs = 30_000;

export class JetStreamJournals implements Journals {
  readonly #parts: JournalsParts;
  readonly #heads = new Map<string, Head>();
  /** Writes whose answer was lost: the same write comes again. */
  readonly #unknown = new Map<string, { readonly expected: number; readonly op: string }>();
  readonly #serial = new SerialByKey();
  #listed: { readonly kind: string; readonly ids: readonly string[]; readonly at: number } | undefined;

  constructor(parts: JournalsParts) {
    this.#parts = parts;
  }

  append(request: JournalAppend): Promise<Append> {
    return this.#serial.run(nameOf(request.key), () => this.#append(request));
  }

  /** Number of the last entry, for a step that expects it to be one. */
  headFor({ key, expected }: JournalAppend): Promise<number> {
    return this.#serial.run(nameOf(key), async () => {
      const { seq } = await this.#head(key);
      return seq === expected ? seq : (await this.#load(key)).seq;
    });
  }

  /** The entries of a step that is decided. The head must be where the step expected it. */
  appendDecided(request: JournalAppend): Promise<Append> {
    return this.#serial.run(nameOf(request.key), () => this.#write(request));
  }

  async #append(request: JournalAppend): Promise<Append> {
    const { key, expected, entries } = request;
    for (let tries = 0; tries < triesMax; tries++) {
      // A journal that begins is written at once; that there was one already, the answer would say.
      if (expected === 0 && !this.#heads.has(nameOf(key))) this.#hold(key, newHead);
      let head = await this.#head(key);
      if (head.seq !== expected) {
        const ours = await this.#wasOurs(request);
        if (ours !== undefined) return ours;
        head = await this.#load(key);
        if (head.seq !== expected) return journalConflict(key, expected, head.seq);
      }
      if (entries.length === 0) return { ok: true, seq: expected };
      if (!head.fromElsewhere || head.claimed || (await this.#parts.steps.claim(key.id))) {
        this.#hold(key, { ...head, claimed: true });
        return await this.#write(request);
      }
      this.#heads.delete(nameOf(key)); // A step was done meanwhile, and its entries are owed to the journal.
    }
    return unavailable(`Journal ${nameOf(key)} is written by several nodes`);
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
      [header.entries]: `${expected + 1}-${last}`,
    };
    const result = await publisher.publish([{ subject: subjects.journal(key), fields, payload: packEntries(entries) }]);
    if (result.ok) return this.#wrote(key, { seq: last, at: result.seq });
    this.#heads.delete(nameOf(key));
    if (result.code === refusal.noSpace) return { ok: false, code: "full", message: result.message, retryable: true };
    if (result.code !== refusal.wrongLastSeq) {
      this.#unknown.set(nameOf(key), { expected, op: id });
      return unavailable(result.message);
    }
    const newest = await this.#newest(key);
    if (newest?.headers?.get(header.op) === id) return this.#wrote(key, { seq: last, at: newest.seq });
    const { seq } = await this.#load(key);
    // Expired or deleted behind our back: nothing was refused but an old place.
    return seq === expected ? unavailable(`Journal ${nameOf(key)} moved`) : journalConflict(key, expected, seq);
  }

  #wrote(key: JournalKey, { seq, at }: { readonly seq: number; readonly at: number }): Append {
    this.#unknown.delete(nameOf(key));
    this.#hold(key, { seq, at, fromElsewhere: false, claimed: true });
    return { ok: true, seq };
  }

  /** An append whose answer was lost is asked for again: it may be stored. */
  async #wasOurs({ key, expected, entries }: JournalAppend): Promise<Append | undefined> {
    const unknown = this.#unknown.get(nameOf(key));
    if (unknown?.expected !== expected) return undefined;
    const newest = await this.#newest(key);
    if (newest?.headers?.get(header.op) !== unknown.op) return undefined;
    return this.#wrote(key, { seq: expected + entries.length, at: newest.seq });
  }

  // --- where it ends ---

  async #head(key: JournalKey): Promise<Head> {
    return this.#heads.get(nameOf(key)) ?? this.#load(key);
  }

  /** As the leader has it, and with what a step still owes it. */
  async #load(key: JournalKey): Promise<Head> {
    const newest = await this.#newest(key);
    const seq = lastEntryOf(newest);
    const head = this.#hold(key, { seq, at: newest?.seq ?? 0, fromElsewhere: seq > 0, claimed: false });
    const owed = await this.#parts.steps.owed(key, seq);
    if (owed === undefined) return head;
    const written = await this.#write(owed);
    if (!written.ok && written.code !== "conflict") throw new Error(written.message);
    return this.#heads.get(nameOf(key)) ?? this.#load(key);
  }

  #newest(key: JournalKey): Promise<Stored | undefined> {
    return this.#parts.api.last(this.#parts.names.journals, this.#parts.subjects.journal(key));
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
      const head = await this.#load(key);
      const entries: JournalEntry[] = [];
      if (head.seq <= after) return entries;
      const range = { stream: names.journals, subject: subjects.journal(key), from: 1, last: head.at };
      for await (const message of readSubject(api, clock, range)) {
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
    const found = await this.#parts.api.last(this.#parts.names.journals, this.#parts.subjects.snapshot(key));
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
