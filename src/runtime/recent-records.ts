/**
 * The newest records that this node has seen, without holes, so that a reader that is nearly caught up can step
 * to live in one synchronous turn, and a storm of resumes does not read the log thousands of times.
 *
 * Bounded by records and bytes. A cache: whatever it lacks is read from the log.
 * @module
 */

import { recordBytes } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import { matches } from "../protocol/topic.ts";
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
  }

  #drop(): void {
    const oldest = this.#ring[this.#start] as LogRecord;
    this.#ring[this.#start] = undefined;
    this.#start = (this.#start + 1) % this.#bounds.recordsMax;
    this.#count--;
    this.#bytes -= recordBytes(oldest);
    this.#floor = oldest.seq;
  }

  /** Can everything after this seq be read here? */
  covers(after: Seq): boolean {
    return after >= this.#floor;
  }

  /** As EventLog.read, forward, to the head. Only where `covers(after)`. */
  read(filter: string, after: Seq, max: { readonly records: number; readonly bytes: number }): ReadPage {
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let i = this.#indexAfter(after); i < this.#count; i++) {
      const record = this.#ring[(this.#start + i) % this.#bounds.recordsMax] as LogRecord;
      if (!matches(filter, record.topic)) continue;
      bytes += recordBytes(record);
      if (records.length > 0 && (records.length >= max.records || bytes > max.bytes)) {
        return { records, scannedTo: record.seq - 1, done: false };
      }
      records.push(record);
    }
    return { records, scannedTo: Math.max(after, this.#head), done: true };
  }

  /** Index of the first held record with seq > after. Seqs ascend, but need not be consecutive. */
  #indexAfter(after: Seq): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const record = this.#ring[(this.#start + middle) % this.#bounds.recordsMax] as LogRecord;
      if (record.seq <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
