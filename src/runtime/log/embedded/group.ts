/**
 * One group commit in the making: what its requests decided, seen by the requests after them, and the puts that
 * make it so. Nothing outside is changed before the commit is durable, so a failed commit is simply dropped.
 * @module
 */
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import { type AppendView, appended, planAppend } from "../append-plan.ts";
import type { AppendRequest, AppendResult, JournalKey, KeyValueChange, LogRecord, NewRecord } from "../event-log.ts";
import { type BlockWriter, blockBytesTarget, type Mark, type TopicDefinition } from "./block.ts";
import { float, floats } from "./floats.ts";
import type { JournalTable } from "./journal-table.ts";
import type { LogIndex, NextState } from "./log-index.ts";
import { assertKey, type Put, type Store } from "./store.ts";
import type { Topic } from "./topic-entry.ts";

export type GroupParts = {
  readonly store: Store;
  readonly index: LogIndex;
  readonly journals: JournalTable;
  readonly blocks: BlockWriter;
};
/** `expiresAt` 0: never. */
export type HeldValue = { readonly value: Uint8Array; readonly revision: number; readonly expiresAt: number };
type Step = { readonly first: Seq; readonly last: Seq };
/** What waits for the tables does not get larger than what comes in. */
const stagedMin = 64;

export class Group implements AppendView {
  readonly time: EpochMs;
  readonly first: Seq;
  readonly records: LogRecord[] = [];
  readonly puts: Put[] = [];
  readonly changes: KeyValueChange[] = [];
  /** Key-value entries as this group leaves them; `undefined`: removed. */
  readonly values = new Map<string, HeldValue | undefined>();
  revision: number | undefined;
  nextState: NextState | undefined;
  readonly #parts: GroupParts;
  readonly #topics: Topic[] = [];
  readonly #blockFirsts: Seq[] = [];
  readonly #marks = new Map<string, number | undefined>();
  readonly #heads = new Map<string, { readonly key: JournalKey; readonly seq: number }>();
  readonly #steps = new Map<string, Step | undefined>();
  readonly #forgotten = new Map<string, Seq>();
  readonly #durable: (() => void)[] = [];
  #blockFirst: Seq;
  #bytesBefore: number;
  #blockMarks = new Map<string, Mark>();
  #definitions: TopicDefinition[] = [];
  readonly #defined = new Set<Topic>();

  constructor(parts: GroupParts, now: EpochMs) {
    this.#parts = parts;
    this.time = Math.max(now, parts.index.lastTime);
    this.first = parts.index.lastSeq + 1;
    this.#blockFirst = this.first;
    this.#bytesBefore = parts.index.endBytes;
    parts.blocks.reset();
  }

  get lastSeq(): Seq {
    return this.first + this.records.length - 1;
  }

  isFull(recordsMax: number, bytesMax: number): boolean {
    return (
      this.records.length >= recordsMax ||
      this.puts.length >= recordsMax ||
      this.#bytesBefore - this.#parts.index.endBytes >= bytesMax
    );
  }

  // --- what requests see ---

  mark(producer: string): number | undefined {
    return this.#marks.has(producer) ? this.#marks.get(producer) : this.#parts.index.mark(producer);
  }

  done(producer: string, key: string): Step | undefined {
    const id = `${producer}\n${key}`;
    if (this.#steps.has(id)) return this.#steps.get(id);
    const stored =
      this.#marks.has(producer) && this.#marks.get(producer) === undefined
        ? undefined
        : this.#parts.store.get("steps", [producer, key]);
    return stored && { first: float(stored, 0), last: float(stored, 1) };
  }

  journalHead(key: JournalKey): number {
    return this.#heads.get(headName(key))?.seq ?? this.#parts.journals.head(key);
  }

  // --- what requests do ---

  append(request: AppendRequest): AppendResult {
    const { records, numbered, once, journal } = request;
    if (once !== undefined) assertKey(once.producer, once.key);
    if (numbered !== undefined) assertKey(numbered.producer);
    if (journal !== undefined) assertKey(journal.key.kind, journal.key.id);
    const plan = planAppend(request, this);
    if (plan.kind === "answer") return plan.result;
    const first = this.lastSeq + 1;
    for (let i = plan.from; i < records.length; i++) {
      this.#store(records[i] as NewRecord);
      // A block carries the numbers of its own records; one that is full is finished with them.
      const last = i === records.length - 1;
      const full = this.#parts.blocks.bytes >= blockBytesTarget;
      if (numbered !== undefined && (last || full)) this.#setMark(numbered.producer, numbered.numbers[i] as number);
      if (full) this.#finishBlock();
    }
    if (once !== undefined) {
      const step = records.length > plan.from ? { first, last: this.lastSeq } : { first: 0, last: 0 };
      this.#steps.set(`${once.producer}\n${once.key}`, step);
      this.puts.push({ table: "steps", key: [once.producer, once.key], value: floats(step.first, step.last) });
    }
    if (journal !== undefined) this.#appendJournal(journal.key, journal.expected, journal.entries);
    return appended(request, plan.from, first);
  }

  forgetProducer(producer: string): void {
    this.#marks.set(producer, undefined);
    this.#blockMarks.delete(producer);
    this.#forgotten.set(producer, this.lastSeq);
    this.puts.push(
      { table: "producers", key: producer },
      { table: "forgotten", key: producer, value: floats(this.lastSeq) },
    );
    for (const id of this.#steps.keys()) if (id.startsWith(`${producer}\n`)) this.#steps.set(id, undefined);
    for (const put of [...this.puts]) {
      if (put.table === "steps" && (put.key as string[])[0] === producer)
        this.puts.push({ table: "steps", key: put.key });
    }
    for (const key of this.#parts.store.keys("steps", { start: [producer, ""], end: [producer, "\uffff"] })) {
      this.puts.push({ table: "steps", key });
    }
  }

  deleteJournal(key: JournalKey): void {
    for (let seq = this.journalHead(key); seq > 0; seq--)
      this.puts.push({ table: "journals", key: [key.kind, key.id, seq] });
    this.puts.push({ table: "snapshots", key: [key.kind, key.id] });
    this.#heads.set(headName(key), { key, seq: 0 });
  }

  onDurable(run: () => void): void {
    this.#durable.push(run);
  }

  // --- the commit ---

  /** Completes the puts; call the result once they are durable. */
  seal(): () => void {
    if (this.#parts.blocks.count > 0) this.#finishBlock();
    const { index, journals } = this.#parts;
    const next = this.nextState;
    const max = next === undefined ? stagedMin + 2 * this.records.length : 0;
    const cleaned = index.stageDue(this.puts, { max, next, forgotten: this.#forgotten });
    return () => {
      cleaned();
      this.#noteRecords();
      for (const [producer, number] of this.#marks) {
        const asOf = this.#forgotten.get(producer);
        if (asOf !== undefined) index.forgetMark(producer, asOf);
        if (number !== undefined) index.noteMark(producer, number, this.first);
      }
      for (const { key, seq } of this.#heads.values()) journals.noteHead(key, seq);
      for (const run of this.#durable) run();
    };
  }

  #setMark(producer: string, number: number): void {
    this.#marks.set(producer, number);
    this.#blockMarks.set(producer, { producer, number, seq: this.lastSeq });
  }

  #store(record: NewRecord): void {
    const { index, blocks } = this.#parts;
    const topic = index.internTopic(record.topic);
    if (topic.lastSeq === 0 && !this.#defined.has(topic)) {
      this.#defined.add(topic);
      this.#definitions.push({ id: topic.id, name: topic.name });
    }
    blocks.add(topic.id, record);
    this.#topics.push(topic);
    this.#blockFirsts.push(this.#blockFirst);
    const { id, lane, payload, headers } = record;
    const seq = this.lastSeq + 1;
    const base = { seq, time: this.time, topic: topic.name, id, lane, payload };
    this.records.push(headers === undefined ? base : { ...base, headers });
  }

  #finishBlock(): void {
    const { blocks } = this.#parts;
    const first = this.#blockFirst;
    const bytes = blocks.bytes;
    const start = { first, time: this.time, bytesBefore: this.#bytesBefore };
    const value = blocks.finish(start, { topics: this.#definitions, marks: [...this.#blockMarks.values()] });
    this.puts.push({ table: "blocks", key: first, value });
    this.#bytesBefore += bytes;
    this.#blockFirst = this.lastSeq + 1;
    this.#definitions = [];
    this.#blockMarks = new Map();
  }

  #noteRecords(): void {
    const { index } = this.#parts;
    const topics = this.#topics;
    for (let i = 0; i < topics.length; i++)
      index.noteRecord(topics[i] as Topic, this.first + i, this.#blockFirsts[i] as Seq);
    if (topics.length > 0) index.noteEnd(this.lastSeq, this.#bytesBefore, this.time);
  }

  #appendJournal(key: JournalKey, head: number, entries: readonly Uint8Array[]): void {
    let seq = head;
    for (const data of entries) {
      seq++;
      this.puts.push({
        table: "journals",
        key: [key.kind, key.id, seq],
        value: Buffer.concat([floats(this.time), data]),
      });
    }
    this.#heads.set(headName(key), { key, seq });
  }
}

function headName(key: JournalKey): string {
  return `${key.kind}\n${key.id}`;
}
