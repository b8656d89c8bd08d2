/**
 * What the log knows of one topic, and how that lies in the `topics` table: five numbers (f64), then the name.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";
import { float, floats } from "./floats.ts";
import { noPostings, type Postings } from "./postings.ts";

const numbersBytes = 40;

export type Topic = {
  readonly id: number;
  readonly name: string;
  /** 0: none that is durable. */
  lastSeq: Seq;
  lastBlock: Seq;
  count: number;
  /** Up to here the postings are in the tables; those above are in `tail`. */
  indexedTo: Seq;
  listFirst: Seq;
  listCount: number;
  tail: Postings;
  dirtySince: Seq;
  dirtySinceBytes: number;
};
export function newTopic(id: number, name: string): Topic {
  const none = {
    lastSeq: 0,
    lastBlock: 0,
    count: 0,
    indexedTo: 0,
    listFirst: 0,
    listCount: 0,
    dirtySince: 0,
    dirtySinceBytes: 0,
  };
  return { id, name, ...none, tail: noPostings };
}

export function packTopic(topic: Topic, listFirst: Seq, listCount: number): Uint8Array {
  const numbers = floats(topic.lastSeq, topic.lastBlock, topic.count, listFirst, listCount);
  return Buffer.concat([numbers, Buffer.from(topic.name)]);
}

export function unpackTopic(id: number, value: Uint8Array): Topic {
  const lastSeq = float(value, 0);
  const name = Buffer.from(value.subarray(numbersBytes)).toString("utf8");
  const numbers = { lastSeq, indexedTo: lastSeq, lastBlock: float(value, 1), count: float(value, 2) };
  return { ...newTopic(id, name), ...numbers, listFirst: float(value, 3), listCount: float(value, 4) };
}
