/**
 * Retention: where the log has to begin, and the way there in small steps, each one commit.
 *
 * Bounds hold to the record: reads begin at `firstSeq`, whole blocks below it are removed, and with them what the
 * index says of them. LMDB uses the freed pages again for what is written next; the file keeps its size (a
 * backup, see docs/operations.md, is as small as what it holds). A removal is a commit like any
 * other and takes a few new pages first, so it cannot help when the disk is full to the last byte.
 * @module
 */
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import type { Retention } from "../event-log.ts";
import type { Block } from "./block.ts";
import type { BlockCache } from "./block-cache.ts";
import type { Group } from "./group.ts";
import type { LogIndex } from "./log-index.ts";
import { lastOfPostings } from "./postings.ts";
import { lastNumber, type Store } from "./store.ts";
import type { Topic } from "./topic-entry.ts";

export type TrimParts = { readonly store: Store; readonly index: LogIndex; readonly blocks: BlockCache };

/** Of one step; whichever is met first. */
const blocksPerStep = 64;
const recordsPerStep = 1_024;
const topicsPerStep = 128;

/** The first seq that retention still holds. */
export function retainedFrom(parts: TrimParts, retention: Retention, now: EpochMs): Seq {
  const { index } = parts;
  let first = index.firstSeq;
  if (retention.ageMs > 0) first = Math.max(first, seqAtTime(parts, now - retention.ageMs));
  if (retention.records > 0) first = Math.max(first, index.lastSeq - retention.records + 1);
  if (retention.bytes > 0 && index.bytes > retention.bytes)
    first = Math.max(first, seqAtBytes(parts, index.endBytes - retention.bytes));
  return first;
}

/** First seq whose time is not before `time`. All records of a block have one time. */
export function seqAtTime(parts: TrimParts, time: EpochMs): Seq {
  const block = firstBlock(parts, (candidate) => candidate.time >= time);
  return Math.max(parts.index.firstSeq, block?.first ?? parts.index.lastSeq + 1);
}

/** First seq with at least so many bytes of records before it. */
function seqAtBytes(parts: TrimParts, bytes: number): Seq {
  const next = firstBlock(parts, (candidate) => candidate.bytesBefore >= bytes);
  const block = parts.blocks.holding((next?.first ?? parts.index.lastSeq + 1) - 1);
  if (block === undefined) return next?.first ?? parts.index.firstSeq;
  let i = 0;
  while (i < block.count && block.bytesBefore + block.bytesUpTo(i) < bytes) i++;
  return block.first + i;
}

/** The first block for which a condition holds that, once true, stays true. */
function firstBlock({ index, blocks }: TrimParts, holds: (block: Block) => boolean): Block | undefined {
  let low = index.firstSeq;
  let high = index.lastSeq + 1;
  let found: Block | undefined;
  while (low < high) {
    const block = blocks.holding(Math.floor((low + high) / 2));
    if (block === undefined) return found;
    if (holds(block)) {
      found = block;
      high = block.first;
    } else low = block.last + 1;
  }
  return found;
}

/** Puts one step towards `target` into a group of its own; answers the new first seq. */
export function stageTrim(parts: TrimParts, group: Group, target: Seq): Seq {
  const { store, index, blocks } = parts;
  const touched = new Set<Topic>();
  const gone: Seq[] = [];
  let first = index.firstSeq;
  const begin = first;
  while (
    first < target &&
    gone.length < blocksPerStep &&
    first - begin < recordsPerStep &&
    touched.size < topicsPerStep
  ) {
    const block = blocks.holding(first);
    if (block === undefined) break;
    if (block.last >= target) {
      first = target;
      break;
    }
    for (let i = 0; i < block.count; i++) {
      const topic = index.topic(block.topicAt(i));
      if (topic !== undefined) touched.add(topic);
    }
    gone.push(block.first);
    group.puts.push({ table: "blocks", key: block.first });
    first = block.last + 1;
  }
  const removed = new Set<Topic>();
  for (const topic of touched) {
    if (topic.lastSeq < first) removed.add(topic);
    stagePostings(store, group, topic, first);
    if (topic.lastSeq < first) group.puts.push({ table: "topics", key: topic.id });
  }
  const holding = first > index.lastSeq ? undefined : blocks.holding(first);
  const firstBytes =
    holding === undefined ? index.endBytes : holding.bytesBefore + holding.bytesUpTo(first - holding.first);
  group.nextState = { firstSeq: first, firstBytes };
  group.onDurable(() => {
    index.removeTopics(removed);
    for (const block of gone) blocks.drop(block);
  });
  return first;
}

function stagePostings(store: Store, group: Group, topic: Topic, first: Seq): void {
  const all = topic.lastSeq < first;
  for (const { key, value } of store.walk("postings", {
    start: [topic.id, 0],
    end: [topic.id, all ? lastNumber : first],
  })) {
    if (lastOfPostings(value) >= first) break;
    group.puts.push({ table: "postings", key });
  }
}
