/**
 * Reads by filter: through the index where the filter is narrow, through the blocks where it matches much. Both ways
 * give the same pages; `estimate` picks the cheaper. A long scan lets other work through between its steps.
 * @module
 */

import { recordBytes } from "../../../protocol/frame.ts";
import type { Seq } from "../../../protocol/ids.ts";
import type { LogRecord, ReadPage, ReadRequest } from "../event-log.ts";
import type { Block } from "./block.ts";
import type { BlockCache } from "./block-cache.ts";
import type { LogIndex, Matched } from "./log-index.ts";
import type { Postings } from "./postings.ts";
import type { Topic } from "./topic-entry.ts";

export type ReaderParts = {
  readonly index: LogIndex;
  readonly blocks: BlockCache;
  readonly pause: () => Promise<void>;
};

/** Work between two pauses: about 2 ms. */
const stepsPerPause = 8_192;
/** Rough CPU costs, in steps of scanning one record. */
const openTopicSteps = 20;
const lookupSteps = 15;

type Bounds = { readonly lowest: Seq; readonly highest: Seq; readonly backward: boolean };

/** Collects a page until it is full. */
class Page {
  readonly records: LogRecord[] = [];
  readonly #request: ReadRequest;
  #bytes = 0;

  constructor(request: ReadRequest) {
    this.#request = request;
  }

  /** False: the page is full, the record is not in it. */
  add(record: LogRecord): boolean {
    this.#bytes += recordBytes(record);
    const { recordsMax, bytesMax } = this.#request;
    if (this.records.length >= recordsMax || (this.records.length > 0 && this.#bytes > bytesMax)) return false;
    this.records.push(record);
    return true;
  }
}

export async function readPage(parts: ReaderParts, request: ReadRequest): Promise<ReadPage> {
  const { index } = parts;
  const until = Math.min(request.until ?? index.lastSeq, index.lastSeq);
  const backward = request.backward === true;
  const bounds: Bounds = { lowest: Math.max(request.after + 1, index.firstSeq), highest: until, backward };
  const page = new Page(request);
  const matched = index.matched(request.filter);
  let filled = false;
  if (bounds.lowest <= until && matched.topics.length > 0) {
    const open = matched.topics.filter((topic) => topic.lastSeq >= bounds.lowest);
    const scan = prefersScan(index, open, bounds, request.recordsMax);
    filled = await (scan ? scanBlocks(parts, matched, bounds, page) : mergeTopics(parts, open, bounds, page));
  }
  if (filled) return { records: page.records, scannedTo: (page.records.at(-1) as LogRecord).seq, done: false };
  return { records: page.records, scannedTo: backward ? bounds.lowest : Math.max(until, request.after), done: true };
}

/** The newest record of each topic that is durable; `after` exclusive. */
export function newestPerTopic(parts: ReaderParts, filter: string, after: Seq, max: number): LogRecord[] {
  const { index, blocks } = parts;
  const lowest = Math.max(after + 1, index.firstSeq);
  const topics = index.matched(filter).topics.filter((topic) => topic.lastSeq >= lowest);
  topics.sort((a, b) => a.lastSeq - b.lastSeq);
  const records: LogRecord[] = [];
  for (const topic of topics.slice(0, max)) {
    const block = blocks.get(topic.lastBlock);
    if (block !== undefined) records.push(recordOf(block, topic.lastSeq, topic.name));
  }
  return records;
}

function prefersScan(index: LogIndex, open: readonly Topic[], bounds: Bounds, recordsMax: number): boolean {
  const held = Math.max(1, index.lastSeq - index.firstSeq + 1);
  const matching = open.reduce((sum, topic) => sum + topic.count, 0);
  const wanted = Math.min(recordsMax, matching);
  const scanned = Math.min(bounds.highest - bounds.lowest + 1, (wanted * held) / Math.max(1, matching));
  return scanned <= open.length * openTopicSteps + wanted * lookupSteps;
}

async function scanBlocks(parts: ReaderParts, matched: Matched, bounds: Bounds, page: Page): Promise<boolean> {
  const { index, blocks } = parts;
  const step = bounds.backward ? -1 : 1;
  let seq = bounds.backward ? bounds.highest : bounds.lowest;
  let steps = 0;
  while (seq >= bounds.lowest && seq <= bounds.highest) {
    const block = blocks.holding(seq);
    if (block === undefined) {
      // Trimmed while we were reading: nothing below the new first seq is held.
      if (bounds.backward || index.firstSeq <= seq) return false;
      seq = index.firstSeq;
      continue;
    }
    for (; seq >= block.first && seq <= block.last && seq >= bounds.lowest && seq <= bounds.highest; seq += step) {
      steps++;
      const id = block.topicAt(seq - block.first);
      if (!matched.ids.has(id)) continue;
      const topic = index.topic(id);
      if (topic !== undefined && !page.add(recordOf(block, seq, topic.name))) return true;
    }
    if (steps > stepsPerPause) {
      steps = 0;
      await parts.pause();
    }
  }
  return false;
}

/** One topic's way through its postings, in the direction of the read. */
class Cursor {
  readonly topic: Topic;
  seq: Seq = 0;
  block: Seq = 0;
  readonly #index: LogIndex;
  readonly #backward: boolean;
  #postings: Postings;
  #at = 0;

  constructor(index: LogIndex, topic: Topic, bounds: Bounds) {
    this.topic = topic;
    this.#index = index;
    this.#backward = bounds.backward;
    this.#postings = this.#fetch(bounds.backward ? bounds.highest + 1 : bounds.lowest - 1);
    this.#at = bounds.backward ? this.#postings.seqs.length : -1;
  }

  /** False: the topic has no more. */
  advance(): boolean {
    this.#at += this.#backward ? -1 : 1;
    if (this.#at < 0 || this.#at >= this.#postings.seqs.length) {
      if (this.seq === 0) return false;
      this.#postings = this.#fetch(this.seq);
      if (this.#postings.seqs.length === 0) return false;
      this.#at = this.#backward ? this.#postings.seqs.length - 1 : 0;
    }
    this.seq = this.#postings.seqs[this.#at] as Seq;
    this.block = this.#postings.blocks[this.#at] as Seq;
    return true;
  }

  #fetch(from: Seq): Postings {
    return this.#backward ? this.#index.postingsBefore(this.topic, from) : this.#index.postingsAfter(this.topic, from);
  }
}

async function mergeTopics(parts: ReaderParts, topics: readonly Topic[], bounds: Bounds, page: Page): Promise<boolean> {
  const sign = bounds.backward ? -1 : 1;
  const heap: Cursor[] = [];
  let steps = 0;
  const pause = (): Promise<void> => {
    steps = 0;
    return parts.pause();
  };
  for (const topic of topics) {
    const cursor = new Cursor(parts.index, topic, bounds);
    if (cursor.advance()) push(heap, cursor, sign);
    steps += openTopicSteps;
    if (steps > stepsPerPause) await pause();
  }
  while (heap.length > 0) {
    const cursor = heap[0] as Cursor;
    if (cursor.seq < bounds.lowest || cursor.seq > bounds.highest) return false;
    const block = parts.blocks.get(cursor.block);
    if (block !== undefined && !page.add(recordOf(block, cursor.seq, cursor.topic.name))) return true;
    if (cursor.advance()) sink(heap, sign);
    else pop(heap, sign);
    steps += lookupSteps;
    if (steps > stepsPerPause) await pause();
  }
  return false;
}

export function recordOf(block: Block, seq: Seq, topic: string): LogRecord {
  const { id, lane, payload, headers } = block.recordAt(seq - block.first);
  const record = { seq, time: block.time, topic, id, lane, payload };
  return headers === undefined ? record : { ...record, headers };
}

// --- a heap of cursors: the one whose record comes next is at 0 ---

function push(heap: Cursor[], cursor: Cursor, sign: number): void {
  let at = heap.length;
  heap.push(cursor);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(cursor, heap[parent] as Cursor, sign)) break;
    heap[at] = heap[parent] as Cursor;
    at = parent;
  }
  heap[at] = cursor;
}

function pop(heap: Cursor[], sign: number): void {
  const last = heap.pop() as Cursor;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap, sign);
}

function sink(heap: Cursor[], sign: number): void {
  const cursor = heap[0] as Cursor;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Cursor, heap[child] as Cursor, sign)) child++;
    if (!before(heap[child] as Cursor, cursor, sign)) break;
    heap[at] = heap[child] as Cursor;
    at = child;
  }
  heap[at] = cursor;
}

function before(a: Cursor, b: Cursor, sign: number): boolean {
  return (a.seq - b.seq) * sign < 0;
}
