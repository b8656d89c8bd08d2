/**
 * The index by topic: where each record of a topic lies, as lists of (seq, first seq of its block), packed.
 *
 * A stored list: last seq (f64), then for each record two varints, the distance from the one before and the distance
 * from its block's start. The list's key holds its first seq.
 *
 * Pure.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";

export const postingsPerList = 256;
const lastBytes = 8;

/** Parallel arrays, ascending by seq. */
export type Postings = { readonly seqs: Seq[]; readonly blocks: Seq[] };
export const noPostings: Postings = { seqs: [], blocks: [] };

export type PostingsList = { readonly first: Seq; readonly held: Uint8Array | undefined };

/** The list that begins at `first`, of which `held` is stored, with those of `added` at [from, to). */
export function packPostings(
  { first, held }: PostingsList,
  added: Postings,
  { from, to }: { from: number; to: number },
): Uint8Array {
  const bytes = new Uint8Array((held?.byteLength ?? lastBytes) + (to - from) * 16);
  let end = lastBytes;
  let last = first;
  if (held !== undefined) {
    bytes.set(held);
    end = held.byteLength;
    last = lastOfPostings(held);
  }
  for (let i = from; i < to; i++) {
    const seq = added.seqs[i] as Seq;
    end = writeVarint(bytes, end, seq - last);
    end = writeVarint(bytes, end, seq - (added.blocks[i] as Seq));
    last = seq;
  }
  new DataView(bytes.buffer).setFloat64(0, last, true);
  return bytes.subarray(0, end);
}

export function lastOfPostings(list: Uint8Array): Seq {
  return new DataView(list.buffer, list.byteOffset).getFloat64(0, true);
}

export function unpackPostings(first: Seq, list: Uint8Array): Postings {
  const seqs: Seq[] = [];
  const blocks: Seq[] = [];
  let seq = first;
  let at = lastBytes;
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = list[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  while (at < list.byteLength) {
    seq += varint();
    seqs.push(seq);
    blocks.push(seq - varint());
  }
  return { seqs, blocks };
}

/** Index of the first seq above `seq`. */
export function indexAfter(seqs: readonly Seq[], seq: Seq): number {
  let low = 0;
  let high = seqs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((seqs[middle] as Seq) <= seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let end = at;
  while (rest >= 128) {
    bytes[end++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[end++] = rest;
  return end;
}
