/**
 * What a process knows of the log without reading it: its bounds, the topics, the producers' numbers. All of it is a
 * fold over the blocks. What has not been written to the tables yet (`dirty`) is folded again at the next start from
 * the blocks after `checkpoint`; so an append writes one block and nothing else, and the tables follow in bounded steps.
 * @module
 */
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import { matches } from "../../../protocol/topic.ts";
import { Block, BlockDamaged } from "./block.ts";
import { float, floats } from "./floats.ts";
import {
  indexAfter,
  lastOfPostings,
  noPostings,
  type Postings,
  packPostings,
  postingsPerList,
  unpackPostings,
} from "./postings.ts";
import { lastNumber, type Put, type Store } from "./store.ts";
import { newTopic, packTopic, type Topic, unpackTopic } from "./topic-entry.ts";

/** Bytes of records that may wait for the tables: with `lagRecords`, what a start folds again at most. */
const lagBytesMax = 16_777_216;
export const defaultLagRecords = 8_192;
const marksCachedMax = 65_536;
const filtersCachedMax = 1_024;

type DirtyMark = { number: number; readonly sinceSeq: Seq; readonly sinceBytes: number };
/** The topics that a filter matches, kept up to date as topics appear. */
/** In place of a filter: every record, reserved topics too. */
export const everyTopic = "";
export type Matched = { readonly topics: Topic[]; readonly ids: Set<number>; known: number };
export type Due = {
  /** Entries of each kind, at most. */
  readonly max: number;
  readonly next: NextState | undefined;
  /** Producers that this commit forgets. */
  readonly forgotten: ReadonlyMap<string, Seq>;
};
export type NextState = { readonly firstSeq: Seq; readonly firstBytes: number };

export class LogIndex {
  firstSeq: Seq = 1;
  lastSeq: Seq = 0;
  lastTime: EpochMs = 0;
  /** Bytes of all records ever, up to the first held, and up to the end. */
  firstBytes = 0;
  endBytes = 0;
  nextTopicId = 1;
  checkpoint: Seq = 0;
  /** What became dirty below this is due, however young: a trim is about to remove the blocks it could be folded from. */
  flushBelow: Seq = 0;
  readonly forgotten = new Map<string, Seq>();
  readonly #store: Store;
  readonly #lagRecords: number;
  readonly #topics = new Map<string, Topic>();
  readonly #byId = new Map<number, Topic>();
  #list: Topic[] = [];
  readonly #dirtyTopics = new Set<Topic>();
  readonly #dirtyMarks = new Map<string, DirtyMark>();
  readonly #marks = new Map<string, number>();
  readonly #filters = new Map<string, Matched>();

  constructor(store: Store, lagRecords: number) {
    this.#store = store;
    this.#lagRecords = lagRecords;
  }

  get bytes(): number {
    return this.endBytes - this.firstBytes;
  }

  topic(id: number): Topic | undefined {
    return this.#byId.get(id);
  }

  /** The topic of that name; a new one lives in memory alone until a record of it is durable. */
  internTopic(name: string): Topic {
    return this.#topics.get(name) ?? this.#addTopic(newTopic(this.nextTopicId++, name));
  }

  matched(filter: string): Matched {
    const cached = this.#filters.get(filter);
    const found = cached ?? { topics: [], ids: new Set<number>(), known: 0 };
    for (; found.known < this.#list.length; found.known++) {
      const topic = this.#list[found.known] as Topic;
      if (filter !== everyTopic && !matches(filter, topic.name)) continue;
      found.topics.push(topic);
      found.ids.add(topic.id);
    }
    this.#filters.delete(filter);
    this.#filters.set(filter, found);
    if (this.#filters.size > filtersCachedMax) this.#filters.delete(this.#filters.keys().next().value as string);
    return found;
  }

  // --- marks ---

  mark(producer: string): number | undefined {
    const dirty = this.#dirtyMarks.get(producer);
    if (dirty !== undefined) return dirty.number;
    const cached = this.#marks.get(producer);
    if (cached !== undefined) return cached;
    const stored = this.#store.get("producers", producer);
    if (stored === undefined) return undefined;
    const number = float(stored, 0);
    this.#cacheMark(producer, number);
    return number;
  }

  /** `since`: first seq of the block, or of the group, that brought the number; must not descend. */
  noteMark(producer: string, number: number, since: Seq): void {
    const dirty = this.#dirtyMarks.get(producer);
    if (dirty !== undefined) dirty.number = Math.max(dirty.number, number);
    else this.#dirtyMarks.set(producer, { number, sinceSeq: since, sinceBytes: this.endBytes });
    this.#marks.delete(producer);
  }

  forgetMark(producer: string, asOf: Seq): void {
    this.#dirtyMarks.delete(producer);
    this.#marks.delete(producer);
    this.forgotten.set(producer, asOf);
  }

  #cacheMark(producer: string, number: number): void {
    this.#marks.set(producer, number);
    if (this.#marks.size > marksCachedMax) this.#marks.delete(this.#marks.keys().next().value as string);
  }

  // --- folding ---

  noteRecord(topic: Topic, seq: Seq, block: Seq): void {
    topic.lastSeq = seq;
    topic.lastBlock = block;
    topic.count++;
    if (topic.tail === noPostings) {
      topic.tail = { seqs: [seq], blocks: [block] };
      topic.dirtySince = seq;
      topic.dirtySinceBytes = this.endBytes;
      this.#dirtyTopics.add(topic);
    } else {
      topic.tail.seqs.push(seq);
      topic.tail.blocks.push(block);
    }
  }

  noteEnd(lastSeq: Seq, endBytes: number, time: EpochMs): void {
    this.lastSeq = lastSeq;
    this.endBytes = endBytes;
    this.lastTime = time;
  }

  /** Reads everything that is known from the tables and the blocks after the checkpoint. */
  load(): void {
    this.#clear();
    const state = this.#store.get("meta", "state");
    if (state !== undefined) this.#loadState(state);
    for (const { key, value } of this.#store.walk("topics", { start: 0 }))
      this.#addTopic(unpackTopic(key as number, value));
    for (const { key, value } of this.#store.walk("forgotten", { start: "" }))
      this.forgotten.set(key as string, float(value, 0));
    this.lastSeq = this.firstSeq - 1;
    this.endBytes = this.firstBytes;
    const from = Math.max(this.checkpoint + 1, this.firstSeq);
    const start = this.#store.keys("blocks", { start: from, reverse: true, limit: 1 })[0] as Seq | undefined;
    this.foldFrom(start ?? from);
  }

  /** For a log that another process writes: everything anew when its tables went on, else only the new blocks. */
  refresh(): void {
    const state = this.#store.get("meta", "state");
    const { firstSeq, checkpoint } = this;
    const moved = state !== undefined && (float(state, 0) !== firstSeq || float(state, 2) !== checkpoint);
    if (moved) this.load();
    else this.foldFrom(this.lastSeq + 1);
  }

  /** Folds the blocks from the one that begins at `first`. */
  foldFrom(first: Seq): void {
    for (const { key, value } of this.#store.walk("blocks", { start: first })) this.#fold(new Block(value, key as Seq));
  }

  #fold(block: Block): void {
    if (this.lastSeq >= this.firstSeq && block.first > this.lastSeq + 1) throw new BlockDamaged(this.lastSeq + 1);
    const { topics, marks } = block.tail();
    for (const { id, name } of topics) {
      if (!this.#byId.has(id)) this.#addTopic(newTopic(id, name));
      this.nextTopicId = Math.max(this.nextTopicId, id + 1);
    }
    for (let i = 0; i < block.count; i++) {
      const topic = this.#byId.get(block.topicAt(i));
      const seq = block.first + i;
      if (topic !== undefined && seq > topic.indexedTo && seq >= this.firstSeq)
        this.noteRecord(topic, seq, block.first);
    }
    for (const { producer, number, seq } of marks) {
      // Up to the checkpoint the table knows better: a producer that was forgotten must not come back.
      if (seq > Math.max(this.checkpoint, this.forgotten.get(producer) ?? 0) && number > (this.mark(producer) ?? 0))
        this.noteMark(producer, number, block.first);
    }
    this.noteEnd(block.last, block.bytesBefore + block.bytesUpTo(block.count), block.time);
  }

  // --- postings ---

  /** The next postings of a topic above `after`; empty when there are none. */
  postingsAfter(topic: Topic, after: Seq): Postings {
    if (after < topic.indexedTo) {
      const key = { start: [topic.id, after], end: [topic.id, 0], reverse: true, limit: 1 };
      const before = this.#store.range("postings", key)[0];
      const inside = before !== undefined && lastOfPostings(before.value) > after ? before : undefined;
      const next = { start: [topic.id, after + 1], end: [topic.id, lastNumber], limit: 1 };
      const list = inside ?? this.#store.range("postings", next)[0];
      if (list !== undefined) {
        const postings = unpackPostings((list.key as number[])[1] as Seq, list.value);
        return slice(postings, indexAfter(postings.seqs, after), postings.seqs.length);
      }
    }
    return slice(topic.tail, indexAfter(topic.tail.seqs, after), topic.tail.seqs.length);
  }

  /** The postings of a topic next below `before`, ascending; empty when there are none. */
  postingsBefore(topic: Topic, before: Seq): Postings {
    const inTail = indexAfter(topic.tail.seqs, before - 1);
    if (inTail > 0) return slice(topic.tail, 0, inTail);
    const key = { start: [topic.id, before - 1], end: [topic.id, 0], reverse: true, limit: 1 };
    const list = this.#store.range("postings", key)[0];
    if (list === undefined) return noPostings;
    const postings = unpackPostings((list.key as number[])[1] as Seq, list.value);
    return slice(postings, 0, indexAfter(postings.seqs, before - 1));
  }

  // --- tables ---

  /**
   * Adds to a commit what has waited long enough, and the bounds where the commit changes them. Call the result once
   * it is durable.
   */
  stageDue(puts: Put[], { max, next, forgotten }: Due): () => void {
    const topics: Topic[] = [];
    const marks: string[] = [];
    for (const topic of this.#dirtyTopics) {
      if (topics.length === max || !this.#due(topic.dirtySince, topic.dirtySinceBytes)) break;
      topics.push(topic);
    }
    for (const [producer, mark] of this.#dirtyMarks) {
      if (marks.length === max || !this.#due(mark.sinceSeq, mark.sinceBytes)) break;
      marks.push(producer);
      if (!forgotten.has(producer)) puts.push({ table: "producers", key: producer, value: floats(mark.number) });
    }
    const lists = topics.map((topic) => this.#stageTopic(topic, puts));
    const released = this.#stageForgotten(puts, max);
    const cleaned = topics.length + marks.length > 0;
    const checkpoint = cleaned ? this.#checkpointAfter(topics.length, marks.length) : this.checkpoint;
    if (cleaned || next !== undefined) this.#stageState(puts, checkpoint, next ?? {});
    return () => {
      this.checkpoint = checkpoint;
      this.firstSeq = next?.firstSeq ?? this.firstSeq;
      this.firstBytes = next?.firstBytes ?? this.firstBytes;
      for (const [i, topic] of topics.entries()) this.#cleanTopic(topic, lists[i] as { first: Seq; count: number });
      for (const producer of marks) {
        const mark = this.#dirtyMarks.get(producer);
        this.#dirtyMarks.delete(producer);
        if (mark !== undefined) this.#cacheMark(producer, mark.number);
      }
      released();
    };
  }

  #stageState(puts: Put[], checkpoint: Seq, next: Partial<NextState>): void {
    const { firstSeq = this.firstSeq, firstBytes = this.firstBytes } = next;
    puts.push({
      table: "meta",
      key: "state",
      value: floats(firstSeq, firstBytes, checkpoint, this.nextTopicId, this.lastTime),
    });
  }

  /** Whether the tables lack something that only blocks below `seq` tell. */
  dirtyBelow(seq: Seq): boolean {
    return this.#checkpointAfter(0, 0) < Math.min(seq - 1, this.lastSeq);
  }

  removeTopics(gone: ReadonlySet<Topic>): void {
    if (gone.size === 0) return;
    for (const topic of gone) {
      this.#topics.delete(topic.name);
      this.#byId.delete(topic.id);
      this.#dirtyTopics.delete(topic);
    }
    this.#list = this.#list.filter((topic) => !gone.has(topic));
    this.#filters.clear();
  }

  #due(sinceSeq: Seq, sinceBytes: number): boolean {
    if (sinceSeq < this.flushBelow) return true;
    return this.lastSeq - sinceSeq >= this.#lagRecords || this.endBytes - sinceBytes >= lagBytesMax;
  }

  /** Where the fold has to begin again once the first so many dirty topics and marks are clean. */
  #checkpointAfter(topics: number, marks: number): Seq {
    const topic = nth(this.#dirtyTopics.values(), topics)?.dirtySince ?? this.lastSeq + 1;
    const mark = nth(this.#dirtyMarks.values(), marks)?.sinceSeq ?? this.lastSeq + 1;
    return Math.min(topic, mark) - 1;
  }

  #stageTopic(topic: Topic, puts: Put[]): { first: Seq; count: number } {
    const { seqs } = topic.tail;
    const open = topic.listCount > 0 && topic.listCount < postingsPerList;
    let held = open ? this.#store.get("postings", [topic.id, topic.listFirst]) : undefined;
    let first = topic.listFirst;
    let count = held === undefined ? 0 : topic.listCount;
    for (let from = 0; from < seqs.length; ) {
      if (count === 0 || count === postingsPerList) {
        held = undefined;
        first = seqs[from] as Seq;
        count = 0;
      }
      const to = Math.min(seqs.length, from + postingsPerList - count);
      puts.push({
        table: "postings",
        key: [topic.id, first],
        value: packPostings({ first, held }, topic.tail, { from, to }),
      });
      count += to - from;
      from = to;
    }
    puts.push({ table: "topics", key: topic.id, value: packTopic(topic, first, count) });
    return { first, count };
  }

  #cleanTopic(topic: Topic, list: { first: Seq; count: number }): void {
    this.#dirtyTopics.delete(topic);
    topic.listFirst = list.first;
    topic.listCount = list.count;
    topic.indexedTo = topic.tail.seqs.at(-1) ?? topic.indexedTo;
    topic.tail = noPostings;
  }

  /** A forgotten producer needs its mark of death only while blocks with its numbers could be folded again. */
  #stageForgotten(puts: Put[], max: number): () => void {
    const over: string[] = [];
    for (const [producer, asOf] of this.forgotten) {
      if (over.length === max || asOf > this.checkpoint) break;
      over.push(producer);
      puts.push({ table: "forgotten", key: producer });
    }
    return () => {
      for (const producer of over) this.forgotten.delete(producer);
    };
  }

  #addTopic(topic: Topic): Topic {
    this.#topics.set(topic.name, topic);
    this.#byId.set(topic.id, topic);
    this.#list.push(topic);
    return topic;
  }

  #loadState(state: Uint8Array): void {
    this.firstSeq = float(state, 0);
    this.firstBytes = float(state, 1);
    this.checkpoint = float(state, 2);
    this.nextTopicId = float(state, 3);
    this.lastTime = float(state, 4);
  }

  #clear(): void {
    Object.assign(this, { firstSeq: 1, firstBytes: 0, checkpoint: 0, nextTopicId: 1, lastTime: 0 });
    for (const held of [
      this.#topics,
      this.#byId,
      this.#dirtyTopics,
      this.#dirtyMarks,
      this.#marks,
      this.#filters,
      this.forgotten,
    ])
      held.clear();
    this.#list = [];
  }
}

function slice(postings: Postings, from: number, to: number): Postings {
  if (from >= to) return noPostings;
  return { seqs: postings.seqs.slice(from, to), blocks: postings.blocks.slice(from, to) };
}

function nth<T>(values: Iterator<T>, index: number): T | undefined {
  for (let i = 0; i < index; i++) values.next();
  return values.next().value as T | undefined;
}
