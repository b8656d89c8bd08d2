/**
 * Reads records: pages forward and backward, the newest of each topic, the place of a time. Nothing of it keeps a
 * consumer.
 *
 * Owns: a page never ends before what this node knows to be stored; a server that is behind is asked again.
 * @module
 */

import { recordBytes } from "../../../protocol/frame.ts";
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import { matches } from "../../../protocol/topic.ts";
import { pause } from "../../pause.ts";
import type { Clock } from "../../ports.ts";
import { type LogRecord, type ReadPage, type ReadRequest, UnavailableError } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import { followUntil } from "./follow-until.ts";
import { toRecord } from "./records.ts";
import type { Names, Subjects } from "./subjects.ts";

export type ReadsParts = {
  readonly api: Api;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly firstSeq: () => Seq;
  readonly lastSeq: () => Seq;
  /** Retention has passed by: this is the first record that is held. */
  readonly trimmed: (firstSeq: Seq) => void;
  /** Several servers hold the stream: one that answers may be behind. */
  readonly replicated: boolean;
};

const batchMax = 1_000;
const batchBytes = 4 * 1_048_576;
const behindMs = 20;
const behindTriesMax = 250;
/** Backward: how many seqs are read at once, growing while little matches. */
const windowMin = 256;
const windowMax = 16_384;

export class Reads {
  readonly #parts: ReadsParts;
  /** The question for the first record that is under way, and the one after it. */
  #asking: Promise<void> | undefined;
  #askingNext: Promise<void> | undefined;

  constructor(parts: ReadsParts) {
    this.#parts = parts;
  }

  async read(request: ReadRequest): Promise<ReadPage> {
    if (request.backward === true) return this.#backward(request);
    const page = await this.#forward(request);
    // What is missing in it may be of other topics, or gone: a reader has to be told which.
    if (page.records.length < page.scannedTo - request.after) await this.#findFirst();
    return page;
  }

  /** One question answers everybody who asks before it is sent. */
  #findFirst(): Promise<void> {
    if (this.#asking === undefined) {
      this.#asking = this.#findFirstNow().finally(() => {
        this.#asking = undefined;
      });
      return this.#asking;
    }
    this.#askingNext ??= this.#asking
      .catch(() => undefined)
      .then(() => {
        this.#askingNext = undefined;
        return this.#findFirst();
      });
    return this.#askingNext;
  }

  async #findFirstNow(): Promise<void> {
    const { api, names, subjects, lastSeq, trimmed } = this.#parts;
    const known = lastSeq();
    const first = await api.next(names.records, subjects.allTopics, 1);
    trimmed(first?.seq ?? known + 1);
  }

  /** What the leader says of the records between two messages of which none came. */
  async heldBetween(after: Seq, before: Seq): Promise<"some" | "none" | "trimmed"> {
    const { api, names, subjects, trimmed } = this.#parts;
    const next = await api.next(names.records, subjects.allTopics, after + 1);
    if (next !== undefined && next.seq < before) return "some";
    const first = await api.next(names.records, subjects.allTopics, 1);
    if (first !== undefined && first.seq <= after) return "none";
    trimmed(first?.seq ?? before);
    return "trimmed";
  }

  async #forward({ filter, after, until: asked, recordsMax, bytesMax }: ReadRequest): Promise<ReadPage> {
    const until = Math.min(asked ?? Number.POSITIVE_INFINITY, this.#parts.lastSeq());
    const records: LogRecord[] = [];
    let bytes = 0;
    for (let from = after + 1; from <= until; ) {
      const batch = Math.min(batchMax, recordsMax - records.length + 1);
      const { found, next } = await this.#matching({ filter, from, until, batch });
      for (const record of found) {
        const size = recordBytes(record);
        const isFull = records.length >= recordsMax || (records.length > 0 && bytes + size > bytesMax);
        if (isFull) return { records, scannedTo: (records.at(-1) as LogRecord).seq, done: false };
        records.push(record);
        bytes += size;
      }
      from = next;
    }
    return { records, scannedTo: Math.max(until, after), done: true };
  }

  async #backward({ filter, after, until: asked, recordsMax, bytesMax }: ReadRequest): Promise<ReadPage> {
    const lowest = Math.max(after + 1, this.#parts.firstSeq());
    const records: LogRecord[] = [];
    let bytes = 0;
    let window = windowMin;
    for (let to = Math.min(asked ?? Number.POSITIVE_INFINITY, this.#parts.lastSeq()); to >= lowest; ) {
      const from = Math.max(lowest, to - window + 1);
      const found = await this.#whole(filter, from, to);
      for (const record of found.reverse()) {
        const size = recordBytes(record);
        const isFull = records.length >= recordsMax || (records.length > 0 && bytes + size > bytesMax);
        if (isFull) return { records, scannedTo: (records.at(-1) as LogRecord).seq, done: false };
        records.push(record);
        bytes += size;
      }
      to = from - 1;
      window = Math.min(window * 2, windowMax);
    }
    return { records, scannedTo: lowest, done: true };
  }

  async #whole(filter: string, from: Seq, to: Seq): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for (let at = from; at <= to; ) {
      const { found, next } = await this.#matching({ filter, from: at, until: to, batch: batchMax });
      records.push(...found);
      at = next;
    }
    return records;
  }

  /** Matching records in [from, next). */
  async #matching(at: {
    filter: string;
    from: Seq;
    until: Seq;
    batch: number;
  }): Promise<{ found: LogRecord[]; next: Seq }> {
    const { api, names, subjects } = this.#parts;
    const request = {
      seq: at.from,
      next_by_subj: subjects.topic(at.filter),
      batch: at.batch,
      max_bytes: batchBytes,
    };
    const { messages, pending } = await api.batch(names.records, request);
    const found: LogRecord[] = [];
    for (const message of messages) {
      if (message.seq > at.until) return { found, next: at.until + 1 };
      const record = toRecord(subjects, message);
      if (matches(at.filter, record.topic)) found.push(record);
    }
    const newest = messages[messages.length - 1]?.seq ?? at.from - 1;
    if (pending > 0) return { found, next: newest + 1 };
    const missed = newest < at.until ? await this.#missed(newest + 1, subjects.topic(at.filter)) : undefined;
    if (missed === undefined || missed.seq > at.until) return { found, next: at.until + 1 };
    const record = toRecord(subjects, missed);
    if (matches(at.filter, record.topic)) found.push(record);
    return { found, next: missed.seq + 1 };
  }

  /** The server that answered may be behind the leader. */
  async #missed(from: Seq, subject: string): Promise<Stored | undefined> {
    const { api, names, replicated } = this.#parts;
    return replicated ? api.next(names.records, subject, from) : undefined;
  }

  /** One consumer that gives the newest of each subject, in the order of the log. */
  async lastPerTopic(filter: string, after: Seq, max: number): Promise<LogRecord[]> {
    const { api, clock, names, subjects } = this.#parts;
    const until = this.#parts.lastSeq();
    const subject = subjects.topic(filter);
    const end = (await api.last(names.records, subject))?.seq ?? 0;
    const records: LogRecord[] = [];
    if (end <= after || until === 0) return records;
    const range = { stream: names.records, filters: [subject], after: 0, lastPerSubject: true };
    await followUntil(api, clock, range, (message) => {
      const record = toRecord(subjects, message);
      if (record.seq > after && records.length < max && matches(filter, record.topic)) records.push(record);
      return record.seq >= end || records.length >= max;
    });
    return records;
  }

  async seqAtTime(time: EpochMs): Promise<Seq> {
    const { api, clock, names, subjects, replicated } = this.#parts;
    const request = { start_time: new Date(time).toISOString(), next_by_subj: subjects.allTopics, batch: 1 };
    for (let tries = 0; tries < behindTriesMax; tries++) {
      const { messages } = await api.batch(names.records, request);
      const first = messages[0]?.seq;
      if (first !== undefined) return first;
      const last = replicated ? await api.last(names.records, subjects.allTopics) : undefined;
      if (last === undefined || last.timeMs < time) return this.#parts.lastSeq() + 1;
      await pause(clock, behindMs);
    }
    throw new UnavailableError(`No server has ${names.records} as far as its leader`);
  }

  /** What the stream holds of records. */
  async bounds(): Promise<{
    readonly firstSeq: Seq;
    readonly lastSeq: Seq;
    readonly lastTime: EpochMs;
    readonly records: number;
  }> {
    const { api, names, subjects } = this.#parts;
    const last = await api.last(names.records, subjects.allTopics);
    const { messages, pending } = await api.batch(names.records, {
      seq: 1,
      next_by_subj: subjects.allTopics,
      batch: 1,
    });
    // A server that is behind may have nothing yet.
    const first =
      messages[0] ?? (last === undefined ? undefined : await api.next(names.records, subjects.allTopics, 1));
    const { seq: lastSeq = 0, timeMs: lastTime = 0 } = last ?? {};
    if (first === undefined) return { firstSeq: lastSeq + 1, lastSeq, lastTime, records: 0 };
    return { firstSeq: first.seq, lastSeq: Math.max(lastSeq, first.seq), lastTime, records: pending + 1 };
  }
}
