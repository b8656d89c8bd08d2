/**
 * Publishes that are not settled: numbered 1, 2, 3 … in the session, kept until PUBLISHED covers them, sent again in
 * order and with the same numbers after a reconnect.
 *
 * Pure: what to send is asked for (`next`), what came back is told. Owns: a number and its bytes never part; nothing
 * is sent past `sendable`; records and bytes stay within their bounds.
 * @module
 */

import { coreLimits as limits } from "../protocol/core-limits.ts";
import { type Published, type PublishRecord, type RefusedPublish, recordBytes } from "../protocol/frame.ts";
import type { LogEpoch } from "../protocol/ids.ts";
import type { Position } from "../protocol/position.ts";
import type { CreditWindow } from "./credit.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";

/** What `publish` answers: the log holds the record. */
export type PublishResult = {
  readonly n: number;
  /** Absent when the gateway knows that the record is held, but not any more where. */
  readonly seq?: number;
  readonly position?: Position;
};

type Line = { readonly topic: string; last: Entry; readonly waiting: Entry[] };
type Entry = {
  readonly record: PublishRecord;
  readonly bytes: number;
  /** 0: waiting in a line. */
  n: number;
  /** Left this process at least once. */
  sent: boolean;
  line?: Line;
  resolve(result: PublishResult): void;
  reject(error: WeirError): void;
};

export type OutboxBounds = { readonly recordsMax: number; readonly bytesMax: number };
/** Told of every number that is given, taken back or settled, to keep a store in step. */
export type OutboxJournal = { numbered(n: number, record: PublishRecord): void; settled(n: number): void };
export type Burst = { readonly first: number; readonly records: readonly PublishRecord[]; readonly bytes: number };

/** Settled places are cut off when they are this many and half of all. */
const compactFrom = 1_024;
const ignore = (): void => undefined;

export class Outbox {
  readonly #bounds: OutboxBounds;
  readonly #journal: OutboxJournal;
  /** In order of numbers, without gaps, from `#base`; the first `#head` places are settled and empty. */
  #entries: (Entry | undefined)[] = [];
  #head = 0;
  #base = 1;
  #nextSend = 1;
  #records = 0;
  #bytes = 0;
  readonly #lines = new Map<string, Line>();
  /** Numbers up to this one may be sent: a store holds them, when there is one. */
  sendable = Number.POSITIVE_INFINITY;
  epoch: LogEpoch = "";

  constructor(bounds: OutboxBounds, journal: OutboxJournal) {
    this.#bounds = bounds;
    this.#journal = journal;
  }

  get records(): number {
    return this.#records;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Every number up to this one is settled. */
  get settled(): number {
    return this.#base + this.#head - 1;
  }
  get lastNumber(): number {
    return this.#base + this.#entries.length - 1;
  }
  get hasUnsent(): boolean {
    return this.#nextSend <= this.lastNumber;
  }

  add(record: PublishRecord, ordered: boolean, signal?: AbortSignal): Promise<PublishResult> {
    const bytes = recordBytes(record);
    if (this.#records + 1 > this.#bounds.recordsMax || this.#bytes + bytes > this.#bounds.bytesMax) {
      const { recordsMax, bytesMax } = this.#bounds;
      return Promise.reject(
        clientError(
          "outboxFull",
          `${this.#records} records and ${this.#bytes} bytes wait unsettled; the bounds are ${recordsMax} and ${bytesMax}`,
        ),
      );
    }
    return new Promise((resolve, reject) => {
      const entry: Entry = { record, bytes, n: 0, sent: false, resolve, reject };
      this.#records += 1;
      this.#bytes += bytes;
      this.#enter(entry, ordered);
      if (signal !== undefined) this.#watch(entry, signal);
    });
  }

  /** A record of an earlier run, from the store; nobody waits for it. In order of numbers. */
  restore(n: number, record: PublishRecord, sent: boolean): void {
    if (this.#entries.length === 0) this.#base = this.#nextSend = n;
    const bytes = recordBytes(record);
    this.#records += 1;
    this.#bytes += bytes;
    this.#entries.push({ record, bytes, n, sent, resolve: ignore, reject: ignore });
  }

  /** Numbers up to `n` were used in an earlier run and are settled. */
  skipTo(n: number): void {
    if (this.#entries.length > 0 || n < this.#base) return;
    this.#base = n + 1;
    this.#nextSend = n + 1;
  }

  /** The next records for one PUBLISH frame, within the credit; they count as sent. */
  next(credit: CreditWindow): Burst | undefined {
    const first = this.#nextSend;
    const last = Math.min(this.lastNumber, this.sendable, first + limits.deliverRecordsMax - 1);
    const records: PublishRecord[] = [];
    let bytes = 0;
    for (let n = first; n <= last; n++) {
      const entry = this.#at(n);
      const tooMuch = records.length > 0 && bytes + entry.bytes > limits.deliverBytesMax;
      if (tooMuch || !credit.fits(records.length + 1, bytes + entry.bytes)) break;
      entry.sent = true;
      records.push(entry.record);
      bytes += entry.bytes;
    }
    if (records.length === 0) return undefined;
    credit.take(records.length, bytes);
    this.#nextSend = first + records.length;
    return { first, records, bytes };
  }

  published(frame: Published, credit: CreditWindow): void {
    const seqs = new Map<number, number>();
    for (const run of frame.runs) {
      for (let i = 0; i < run.count && run.seq > 0; i++) seqs.set(run.n + i, run.seq + i);
    }
    this.#settle(frame.upTo, seqs, frame.refused ?? [], credit);
  }

  /** ERROR with `n`: from here on nothing was stored. */
  retryFrom(n: number, credit: CreditWindow): void {
    const from = Math.max(n, this.settled + 1);
    for (let at = from; at < this.#nextSend; at++) credit.giveBack(1, this.#at(at).bytes);
    this.#nextSend = Math.min(this.#nextSend, from);
  }

  /** A new connection of the same session: settled up to its mark, the rest goes out again. */
  resumed(publishedUpTo: number, refused: readonly RefusedPublish[], credit: CreditWindow): void {
    this.#settle(publishedUpTo, new Map(), refused, credit);
    this.skipTo(publishedUpTo);
    this.#nextSend = this.settled + 1;
  }

  /**
   * The session is gone: its numbers mean nothing any more. What had been sent is rejected or kept, as the policy
   * says; what is kept is numbered again from 1. Answers the records whose outcome nobody knows.
   */
  sessionLost(policy: "fail" | "resend"): readonly PublishRecord[] {
    const entries = this.#entries.slice(this.#head) as Entry[];
    for (const { n } of entries) this.#journal.settled(n);
    this.#entries = [];
    this.#head = 0;
    this.#base = this.#nextSend = 1;
    const unknown = entries.filter((entry) => entry.sent);
    const kept = policy === "resend" ? entries : entries.filter((entry) => !entry.sent);
    for (const entry of kept) {
      entry.sent = false;
      this.#number(entry);
    }
    if (policy === "fail") {
      for (const entry of unknown)
        this.#leave(
          entry,
          clientError(
            "outcomeUnknown",
            `The session was lost after publish ${entry.n} on ${entry.record.topic} had been sent`,
          ),
        );
    }
    return unknown.map((entry) => entry.record);
  }

  /** The client ends: nobody will answer those who wait. What a store holds stays there. */
  rejectAll(reason: WeirError): void {
    const lines = [...this.#lines.values()];
    const entries = [...(this.#entries.slice(this.#head) as Entry[]), ...lines.flatMap((line) => line.waiting)];
    for (const entry of entries) {
      entry.reject(
        entry.sent
          ? clientError(
              "outcomeUnknown",
              `The client ended (${reason.message}) before publish ${entry.n} was confirmed`,
            )
          : reason,
      );
    }
    this.#lines.clear();
  }

  #at(n: number): Entry {
    return this.#entries[n - this.#base] as Entry;
  }

  /** A line forms behind the newest unsettled record of the topic when an ordered one comes, and lasts until it is empty. */
  #enter(entry: Entry, ordered: boolean): void {
    const line = this.#lines.get(entry.record.topic);
    if (line !== undefined) {
      line.waiting.push(entry);
      return;
    }
    if (!ordered) return this.#number(entry);
    const before = this.#newestOf(entry.record.topic);
    const made: Line = {
      topic: entry.record.topic,
      last: before ?? entry,
      waiting: before === undefined ? [] : [entry],
    };
    made.last.line = made;
    this.#lines.set(made.topic, made);
    if (before === undefined) this.#number(entry);
  }

  #newestOf(topic: string): Entry | undefined {
    for (let at = this.#entries.length - 1; at >= this.#head; at--) {
      const entry = this.#entries[at] as Entry;
      if (entry.record.topic === topic) return entry;
    }
    return undefined;
  }

  #number(entry: Entry): void {
    entry.n = this.#base + this.#entries.length;
    this.#entries.push(entry);
    this.#journal.numbered(entry.n, entry.record);
  }

  #settle(
    upTo: number,
    seqs: ReadonlyMap<number, number>,
    refused: readonly RefusedPublish[],
    credit: CreditWindow,
  ): void {
    const refusals = new Map(refused.map((each) => [each.n, each]));
    while (this.settled < upTo && this.#head < this.#entries.length) {
      const entry = this.#entries[this.#head] as Entry;
      this.#entries[this.#head++] = undefined;
      if (entry.n < this.#nextSend) credit.giveBack(1, entry.bytes);
      this.#journal.settled(entry.n);
      const refusal = refusals.get(entry.n);
      this.#leave(entry, refusal === undefined ? this.#result(entry.n, seqs.get(entry.n)) : wireError(refusal));
    }
    this.#nextSend = Math.max(this.#nextSend, this.settled + 1);
    const allSettled = this.#head === this.#entries.length;
    if (allSettled || (this.#head > compactFrom && this.#head * 2 > this.#entries.length)) {
      this.#entries = this.#entries.slice(this.#head);
      this.#base += this.#head;
      this.#head = 0;
    }
  }

  #result(n: number, seq: number | undefined): PublishResult {
    return seq === undefined ? { n } : { n, seq, position: { epoch: this.epoch, seq } };
  }

  #leave(entry: Entry, outcome: PublishResult | WeirError): void {
    this.#records -= 1;
    this.#bytes -= entry.bytes;
    if (outcome instanceof Error) entry.reject(outcome);
    else entry.resolve(outcome);
    if (entry.line !== undefined) this.#release(entry.line);
  }

  #release(line: Line): void {
    const entry = line.waiting.shift();
    if (entry === undefined) {
      this.#lines.delete(line.topic);
      return;
    }
    line.last = entry;
    entry.line = line;
    this.#number(entry);
  }

  #watch(entry: Entry, signal: AbortSignal): void {
    const abort = (): void => {
      const line = this.#lines.get(entry.record.topic);
      const at = entry.n === 0 ? (line?.waiting.indexOf(entry) ?? -1) : -1;
      const error = clientError(
        "aborted",
        at === -1
          ? `Publish ${entry.n} on ${entry.record.topic} was aborted; it may still reach the log`
          : `Publish on ${entry.record.topic} was withdrawn`,
        signal.reason,
      );
      if (at !== -1) {
        line?.waiting.splice(at, 1);
        this.#leave(entry, error);
      } else entry.reject(error);
    };
    if (signal.aborted) return abort();
    const { resolve, reject } = entry;
    entry.resolve = (result) => {
      signal.removeEventListener("abort", abort);
      resolve(result);
    };
    entry.reject = (error) => {
      signal.removeEventListener("abort", abort);
      reject(error);
    };
    signal.addEventListener("abort", abort, { once: true });
  }
}
