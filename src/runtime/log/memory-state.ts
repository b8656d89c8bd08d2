/**
 * What the memory log holds durably: all that outlives a simulated crash. Naive on purpose: plain arrays and maps,
 * so that it can serve as the model of what the other adapters do.
 *
 * Changed by one instance at a time; a crashed instance never touches it again.
 * @module
 */

import { recordBytes } from "../../protocol/frame.ts";
import type { EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import { matches } from "../../protocol/topic.ts";
import { type AppendView, appended, planAppend } from "./append-plan.ts";
import type {
  AppendRequest,
  AppendResult,
  JournalEntry,
  JournalKey,
  JournalSnapshot,
  LogRecord,
  ReadPage,
  ReadRequest,
  Retention,
} from "./event-log.ts";

export type StoredValue = { readonly value: Uint8Array; readonly revision: number; readonly expiresAt: number };

export class MemoryState implements AppendView {
  readonly epoch: LogEpoch;
  firstSeq: Seq = 1;
  bytes = 0;
  lastTime: EpochMs = 0;
  revision = 0;
  records: LogRecord[] = [];
  readonly marks = new Map<string, number>();
  readonly steps = new Map<string, Map<string, { first: Seq; last: Seq }>>();
  /** kind → id → entries; entry n is at index n - 1. */
  readonly journals = new Map<string, Map<string, JournalEntry[]>>();
  readonly snapshots = new Map<string, JournalSnapshot>();
  readonly values = new Map<string, StoredValue>();
  readonly blobs = new Map<string, Uint8Array>();

  constructor(epoch: LogEpoch) {
    this.epoch = epoch;
  }

  get lastSeq(): Seq {
    return this.firstSeq + this.records.length - 1;
  }

  mark(producer: string): number | undefined {
    return this.marks.get(producer);
  }

  done(producer: string, key: string): { first: Seq; last: Seq } | undefined {
    return this.steps.get(producer)?.get(key);
  }

  journalHead(key: JournalKey): number {
    return this.journals.get(key.kind)?.get(key.id)?.length ?? 0;
  }

  append(request: AppendRequest, now: EpochMs): AppendResult {
    const plan = planAppend(request, this);
    if (plan.kind === "answer") return plan.result;
    const first = this.lastSeq + 1;
    this.lastTime = Math.max(now, this.lastTime);
    for (let i = plan.from; i < request.records.length; i++) {
      const record = {
        seq: this.lastSeq + 1,
        time: this.lastTime,
        ...(request.records[i] as AppendRequest["records"][number]),
      };
      this.records.push(record);
      this.bytes += recordBytes(record);
    }
    const { numbered, once, journal } = request;
    const number = numbered?.numbers.at(-1) ?? 0;
    if (numbered !== undefined && number > (this.marks.get(numbered.producer) ?? 0))
      this.marks.set(numbered.producer, number);
    if (once !== undefined) {
      const stored = request.records.length > plan.from;
      const steps = this.steps.get(once.producer) ?? new Map();
      this.steps.set(
        once.producer,
        steps.set(once.key, stored ? { first, last: this.lastSeq } : { first: 0, last: 0 }),
      );
    }
    if (journal !== undefined) this.#appendJournal(journal.key, journal.entries);
    return appended(request, plan.from, first);
  }

  #appendJournal(key: JournalKey, entries: readonly Uint8Array[]): void {
    const ids = this.journals.get(key.kind) ?? new Map<string, JournalEntry[]>();
    this.journals.set(key.kind, ids);
    const journal = ids.get(key.id) ?? [];
    if (entries.length > 0) ids.set(key.id, journal);
    for (const data of entries) journal.push({ seq: journal.length + 1, time: this.lastTime, data });
  }

  forgetProducer(producer: string): void {
    this.marks.delete(producer);
    this.steps.delete(producer);
  }

  read(request: ReadRequest): ReadPage {
    const until = Math.min(request.until ?? this.lastSeq, this.lastSeq);
    const step = request.backward === true ? -1 : 1;
    const lowest = Math.max(request.after + 1, this.firstSeq);
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let seq = step === 1 ? lowest : until; seq >= lowest && seq <= until; seq += step) {
      const record = this.at(seq);
      if (!matches(request.filter, record.topic)) continue;
      bytes += recordBytes(record);
      const full = records.length === request.recordsMax || (records.length > 0 && bytes > request.bytesMax);
      if (full) return { records, scannedTo: (records.at(-1) as LogRecord).seq, done: false };
      records.push(record);
    }
    return { records, scannedTo: step === 1 ? Math.max(until, request.after) : lowest, done: true };
  }

  at(seq: Seq): LogRecord {
    return this.records[seq - this.firstSeq] as LogRecord;
  }

  lastPerTopic(filter: string, after: Seq, max: number): LogRecord[] {
    const newest = new Map<string, LogRecord>();
    for (const record of this.records) {
      if (record.seq > after && matches(filter, record.topic)) newest.set(record.topic, record);
    }
    return [...newest.values()].sort((a, b) => a.seq - b.seq).slice(0, max);
  }

  seqAtTime(time: EpochMs): Seq {
    let low = 0;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.records[middle] as LogRecord).time < time) low = middle + 1;
      else high = middle;
    }
    return this.firstSeq + low;
  }

  trim(retention: Retention, now: EpochMs): number {
    let count = 0;
    let bytes = this.bytes;
    for (const record of this.records) {
      const tooOld = retention.ageMs > 0 && record.time < now - retention.ageMs;
      const tooMany = retention.records > 0 && this.records.length - count > retention.records;
      const tooLarge = retention.bytes > 0 && bytes > retention.bytes;
      if (!tooOld && !tooMany && !tooLarge) break;
      bytes -= recordBytes(record);
      count++;
    }
    if (count > 0) this.records = this.records.slice(count);
    this.firstSeq += count;
    this.bytes = bytes;
    return count;
  }
}
