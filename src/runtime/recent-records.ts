/**
 * The newest records that this node has seen, without holes, so that a reader that is nearly caught up can step
 * to live in one synchronous turn, and a storm of resumes does not read the log thousands of times.
 *
 * Bounded by records and bytes. A cache: whatever it lacks is read from the log.
 * @module
 */

import { recordBytes } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import { isWildcard, matches } from "../protocol/topic.ts";
import type { LogRecord, ReadPage } from "./log/event-log.ts";

export type RecentBounds = { readonly recordsMax: number; readonly bytesMax: number };

export class RecentRecords {
  readonly #bounds: RecentBounds;
  readonly #ring: (LogRecord | undefined)[];
  /** Seq before the oldest held; everything in (#floor, head] is held. */
  #floor: Seq;
  #head: Seq;
  #start = 0;
  #count = 0;
  #bytes = 0;
  /** The held records of each topic: what most readers that come back ask for. */
  readonly #byTopic = new Map<string, TopicRecords>();

  constructor(head: Seq, bounds: RecentBounds) {
    this.#bounds = bounds;
    this.#ring = new Array<LogRecord | undefined>(bounds.recordsMax);
    this.#floor = head;
    this.#head = head;
  }

  push(record: LogRecord): void {
    while (this.#count > 0 && (this.#count >= this.#bounds.recordsMax || this.#bytes > this.#bounds.bytesMax))
      this.#drop();
    this.#ring[(this.#start + this.#count) % this.#bounds.recordsMax] = record;
    this.#count++;
    this.#bytes += recordBytes(record);
    this.#head = record.seq;
    let topic = this.#byTopic.get(record.topic);
    if (topic === undefined) {
      topic = { records: [], start: 0 };
      this.#byTopic.set(record.topic, topic);
    }
    topic.records.push(record);
  }

  /** There is a hole: what is held before it is of no use. */
  restart(head: Seq): void {
    while (this.#count > 0) this.#drop();
    this.#floor = head;
    this.#head = head;
  }

  #drop(): void {
    const oldest = this.#ring[this.#start] as LogRecord;
    this.#ring[this.#start] = undefined;
    this.#start = (this.#start + 1) % this.#bounds.recordsMax;
    this.#count--;
    this.#bytes -= recordBytes(oldest);
    this.#floor = oldest.seq;
    this.#dropOfTopic(oldest.topic);
  }

  #dropOfTopic(name: string): void {
    const topic = this.#byTopic.get(name) as TopicRecords;
    topic.start++;
    if (topic.start === topic.records.length) {
      this.#byTopic.delete(name);
    } else if (topic.start * 2 > topic.records.length && topic.start > 64) {
      topic.records.splice(0, topic.start);
      topic.start = 0;
    }
  }

  get size(): { readonly records: number; readonly bytes: number; readonly firstSeq: Seq } {
    return { records: this.#count, bytes: this.#bytes, firstSeq: this.#floor + 1 };
  }

  /** Can everything after this seq be read here? */
  covers(after: Seq): boolean {
    return after >= this.#floor;
  }

  /** As EventLog.read, forward, to the head. Only where `covers(after)`. */
  read(filter: string, after: Seq, max: { readonly records: number; readonly bytes: number }): ReadPage {
    const records: LogRecord[] = [];
    let bytes = 0;
    for (const record of isWildcard(filter) ? this.#matching(filter, after) : this.#ofTopic(filter, after)) {
      bytes += recordBytes(record);
      if (records.length > 0 && (records.length >= max.records || bytes > max.bytes)) {
        return { records, scannedTo: record.seq - 1, done: false };
      }
      records.push(record);
    }
    return { records, scannedTo: Math.max(after, this.#head), done: true };
  }

  *#matching(filter: string, after: Seq): Iterable<LogRecord> {
    const at = (index: number) => this.#ring[(this.#start + index) % this.#bounds.recordsMax] as LogRecord;
    for (let i = firstAfter(after, this.#count, at); i < this.#count; i++) {
      const record = at(i);
      if (matches(filter, record.topic)) yield record;
    }
  }

  *#ofTopic(name: string, after: Seq): Iterable<LogRecord> {
    const topic = this.#byTopic.get(name);
    if (topic === undefined) return;
    const { records, start } = topic;
    const at = (index: number) => records[start + index] as LogRecord;
    const count = records.length - start;
    for (let i = firstAfter(after, count, at); i < count; i++) yield at(i);
  }
}

type TopicRecords = { readonly records: LogRecord[]; start: number };

/** Index of the first record with seq > after. Seqs ascend, but need not be consecutive. */
function firstAfter(after: Seq, count: number, at: (index: number) => LogRecord): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(middle).seq <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
