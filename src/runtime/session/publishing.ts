/**
 * Takes a session's numbered publishes to the log and answers with PUBLISHED, in order.
 *
 * Owns: a number is stored at most once and never out of order; everything up to `upTo` of PUBLISHED is in the log
 * or refused; what a client may have under way is bounded by its credit.
 * @module
 */

import type { CloseName } from "../../protocol/close-code.ts";
import { type ErrorName, errorCodes } from "../../protocol/error-code.ts";
import {
  type Publish,
  type PublishedRun,
  type PublishRecord,
  type RefusedPublish,
  recordBytes,
  type Window,
} from "../../protocol/frame.ts";
import type { Seq } from "../../protocol/ids.ts";
import { normalLane } from "../../protocol/lane.ts";
import type { LogFailure, NewRecord } from "../log/event-log.ts";
import { errorFrame, type SessionContext } from "./context.ts";
import type { PublishCheck } from "./publish-check.ts";
import { beginSpans, endSpans, type TracedRecord } from "./traced.ts";

type Batch = {
  readonly first: number;
  readonly last: number;
  readonly records: readonly NewRecord[];
  readonly numbers: readonly number[];
  readonly refused: readonly RefusedPublish[];
  readonly bytes: number;
  /** Absent: none is traced. */
  readonly traced: readonly TracedRecord[] | undefined;
  runs: readonly PublishedRun[];
  done: boolean;
};

export type Violation = { readonly close: CloseName; readonly cause: string };
/** Where a session's numbers go on: all up to `settled` are in the log or refused, `appended` is the log's mark. */
export type PublishNumbers = { readonly settled: number; readonly appended: number };
const retryAfterMs = 250;

export class Publishing {
  readonly #context: SessionContext;
  readonly #check: PublishCheck;
  /** Highest number received on this connection, or settled before. */
  #received: number;
  /** Last number handed to the log. */
  #appended: number;
  /** An append failed from here on; the client sends again from here. */
  #stalledFrom: number | undefined;
  readonly #batches: Batch[] = [];
  /** Answered, not yet told. */
  #runs: PublishedRun[] = [];
  #refused: RefusedPublish[] = [];
  #flushing = false;
  /** A batch with refusals waits for the journal; what comes after it waits behind it. */
  #queue: Promise<void> | undefined;
  #underWay = 0;
  #idle: (() => void)[] = [];
  #outstandingRecords = 0;
  #outstandingBytes = 0;
  publishedUpTo: number;

  constructor(context: SessionContext, check: PublishCheck, numbers: PublishNumbers) {
    this.#context = context;
    this.#check = check;
    this.publishedUpTo = numbers.settled;
    this.#received = numbers.settled;
    this.#appended = numbers.appended;
  }

  /** Resolves when no append is under way any more. */
  settled(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  receive(frame: Publish): Violation | undefined {
    const first = frame.first ?? this.#received + 1;
    if (this.#stalledFrom !== undefined) {
      if (first > this.#stalledFrom) return undefined; // sent before the client heard of the failure
      this.#stalledFrom = undefined;
    }
    const firstMax = Math.min(this.#received + 1, Number.MAX_SAFE_INTEGER - (frame.records.length - 1));
    if (first > firstMax) return { close: "protocolViolation", cause: "publishNumbering" };
    if (frame.settled !== undefined) this.#forgetRefusals(frame.settled);
    const resent = Math.min(frame.records.length, this.#received + 1 - first);
    if (resent > 0) this.#answerAgain(first, resent);
    if (resent === frame.records.length) return undefined;
    const batch = this.#makeBatch(first + resent, resent === 0 ? frame.records : frame.records.slice(resent));
    const overrun = this.reserve(batch.last - batch.first + 1, batch.bytes);
    if (overrun !== undefined) return overrun;
    this.#received = batch.last;
    this.#take(batch);
    return undefined;
  }

  /** What counts against the credit now. */
  get outstanding(): Window {
    return { records: this.#outstandingRecords, bytes: this.#outstandingBytes };
  }

  /** Counts against the credit; transactions do too. */
  reserve(records: number, bytes: number): Violation | undefined {
    const { publishCreditRecords, publishCreditBytes } = this.#context.limits;
    this.#outstandingRecords += records;
    this.#outstandingBytes += bytes;
    const within = this.#outstandingRecords <= publishCreditRecords && this.#outstandingBytes <= publishCreditBytes;
    return within ? undefined : { close: "creditOverrun", cause: "creditOverrun" };
  }

  release(records: number, bytes: number): void {
    this.#outstandingRecords -= records;
    this.#outstandingBytes -= bytes;
  }

  #makeBatch(first: number, incoming: readonly PublishRecord[]): Batch {
    const records: NewRecord[] = [];
    const numbers: number[] = [];
    const refused: RefusedPublish[] = [];
    let bytes = 0;
    for (let i = 0; i < incoming.length; i++) {
      const record = incoming[i] as PublishRecord;
      const n = first + i;
      bytes += recordBytes(record);
      const problem = this.#check.problem(record);
      if (problem !== undefined) {
        refused.push({ n, code: errorCodes[problem.name].code, cause: problem.name, message: problem.message });
        continue;
      }
      numbers.push(n);
      records.push(newRecord(record, `${this.#context.id}/${n}`));
    }
    const { tracer } = this.#context.services.ports;
    const traced = tracer === undefined ? undefined : beginSpans(tracer, records, this.#context);
    const last = first + incoming.length - 1;
    return { first, last, records, numbers, refused, bytes, traced, runs: [], done: false };
  }

  #take(batch: Batch): void {
    this.#batches.push(batch);
    this.#underWay++;
    const peer = this.#context.peer;
    if (peer !== undefined) this.#context.services.inflow.enter(batch.bytes, peer);
    if (this.#queue === undefined && batch.refused.length === 0) {
      this.#store(batch);
      return;
    }
    const queue = (this.#queue ?? Promise.resolve()).then(() => this.#storeRefusals(batch));
    this.#queue = queue;
    void queue.finally(() => {
      if (this.#queue === queue) this.#queue = undefined;
    });
  }

  async #storeRefusals(batch: Batch): Promise<void> {
    if (batch.refused.length > 0 && this.#batches.includes(batch)) {
      // Before the records: a crash in between must not leave a refused number below the log's mark untold.
      const recorded = await this.#context.record({ type: "RefusePublishes", at: this.#now(), refused: batch.refused });
      if (!recorded.ok) {
        // A session that is lost tells its connection itself.
        if (recorded.rejection !== "superseded") this.#context.peer?.end("tooManyRefused", "tooManyRefused");
        this.#drop(batch);
        return;
      }
    }
    // One before it failed while it waited: its numbers must not be stored before those come again.
    if (this.#batches.includes(batch)) this.#store(batch);
    else this.#leave(batch);
  }

  #store(batch: Batch): void {
    if (batch.records.length === 0) return this.#finish(batch);
    const { log } = this.#context.services.ports;
    const after = this.#appended;
    this.#appended = batch.numbers[batch.numbers.length - 1] as number;
    const numbered = { producer: this.#context.id, after, numbers: batch.numbers };
    const since = this.#now();
    void log.append({ records: batch.records, numbered }).then((result) => {
      const { counters } = this.#context.services;
      counters.appendLatency.observe(this.#now() - since);
      if (batch.traced !== undefined) endSpans(batch.traced, result);
      if (result.ok) {
        if (result.duplicate) counters.recordsDuplicate += batch.records.length;
        else counters.recordsPublished += batch.records.length;
        batch.runs = toRuns(batch.numbers, result.seqs);
        this.#finish(batch);
      } else {
        this.#context.services.inflow.refusedAt = this.#now();
        this.#fail(batch, result, after);
      }
    });
  }

  #finish(batch: Batch): void {
    batch.done = true;
    this.#leave(batch);
    while (this.#batches[0]?.done === true) {
      const answered = this.#batches.shift() as Batch;
      this.publishedUpTo = Math.max(this.publishedUpTo, answered.last);
      this.#runs.push(...answered.runs);
      this.#refused.push(...answered.refused);
      this.release(answered.last - answered.first + 1, answered.bytes);
    }
    this.#context.progressed();
    this.#flushSoon();
  }

  /** Nothing of it and of what came after it is settled. False: it was dropped with an earlier one. */
  #drop(batch: Batch): boolean {
    this.#leave(batch);
    const at = this.#batches.indexOf(batch);
    if (at === -1) return false;
    for (const dropped of this.#batches.splice(at)) this.release(dropped.last - dropped.first + 1, dropped.bytes);
    return true;
  }

  /** The log refused it: everything from here on is to be sent again. */
  #fail(batch: Batch, failure: LogFailure, after: number): void {
    if (!this.#drop(batch)) return;
    this.#stalledFrom = batch.first;
    this.#received = batch.first - 1;
    this.#appended = after;
    const { id: session, peer } = this.#context;
    const trace = batch.traced?.[0]?.span.traceId;
    this.#context.services.ports.logger.log("debug", "publish not stored", {
      connection: peer?.id,
      session,
      ...(trace === undefined ? {} : { trace }),
      n: batch.first,
      code: failure.code,
      message: failure.message,
    });
    if (!failure.retryable || failure.code === "outOfOrder") {
      peer?.end("internal", failure.code);
      return;
    }
    const name: ErrorName = failure.code === "full" ? "logFull" : "logUnavailable";
    peer?.send(errorFrame(name, failure.message, { n: batch.first, retryAfterMs }));
  }

  #leave(batch: Batch): void {
    this.#context.services.inflow.leave(batch.bytes);
    if (--this.#underWay > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Numbers that were received before: settled ones are answered again, those under way will be. */
  #answerAgain(first: number, count: number): void {
    const last = Math.min(first + count - 1, this.publishedUpTo);
    for (let n = first; n <= last; n++) {
      const refused = this.#context.state.refused.get(n);
      if (refused !== undefined) this.#refused.push(refused);
      else this.#runs.push({ n, seq: 0, count: 1 });
    }
    if (last >= first) this.#flushSoon();
  }

  /** One PUBLISHED for all that was answered in a tick. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#context.services.ports.clock.soon(() => {
      this.#flushing = false;
      const runs = joinRuns(this.#runs);
      const refused = this.#refused;
      this.#runs = [];
      this.#refused = [];
      this.#context.peer?.send({
        type: "published",
        upTo: this.publishedUpTo,
        runs,
        ...(refused.length === 0 ? {} : { refused }),
      });
    });
  }

  #forgetRefusals(settled: number): void {
    if (this.#context.state.refused.size === 0) return;
    void this.#context.record({ type: "SettleRefusals", at: this.#now(), upTo: settled });
  }

  #now(): number {
    return this.#context.services.ports.clock.now();
  }
}

export function newRecord(record: PublishRecord, id: string): NewRecord {
  const { topic, payload, lane = normalLane, headers } = record;
  return headers === undefined ? { topic, id, lane, payload } : { topic, id, lane, payload, headers };
}

/** Consecutive numbers at consecutive seqs become one run. */
function toRuns(numbers: readonly number[], seqs: readonly Seq[]): PublishedRun[] {
  const runs: PublishedRun[] = [];
  let from = 0;
  for (let i = 1; i <= numbers.length; i++) {
    const distance = i - from;
    const n = numbers[from] as number;
    const seq = seqs[from] as Seq;
    if (i < numbers.length && numbers[i] === n + distance && seqs[i] === (seq === 0 ? 0 : seq + distance)) continue;
    runs.push({ n, seq, count: distance });
    from = i;
  }
  return runs;
}

/** Runs of several answers of one tick, as few as possible. */
function joinRuns(runs: readonly PublishedRun[]): readonly PublishedRun[] {
  if (runs.length < 2) return runs;
  const joined: PublishedRun[] = [];
  for (const run of runs) {
    const last = joined[joined.length - 1];
    const follows =
      last !== undefined && last.n + last.count === run.n && run.seq === (last.seq === 0 ? 0 : last.seq + last.count);
    if (follows) joined[joined.length - 1] = { ...last, count: last.count + run.count };
    else joined.push(run);
  }
  return joined;
}
