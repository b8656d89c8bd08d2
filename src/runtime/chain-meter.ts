/**
 * Running totals of one chain by seq, so that an acknowledged seq turns into acknowledged records and bytes in
 * O(log n), without anything stored per receiver.
 *
 * A few entries per frame; grows with what is in flight, up to a bound, and gets coarser beyond it. A seq inside an entry
 * counts the entries before it, so credit is given back late rather than early.
 * @module
 */
import type { Seq } from "../protocol/ids.ts";

const capacityMin = 16;

type Totals = { readonly records: number; readonly bytes: number };

export class ChainMeter {
  readonly #capacityMax: number;
  #seqs = new Float64Array(capacityMin);
  #records = new Float64Array(capacityMin);
  #bytes = new Float64Array(capacityMin);
  #start = 0;
  #count = 0;
  /** Totals of everything ever sent on the chain. */
  records = 0;
  bytes = 0;

  constructor(capacityMax: number) {
    this.#capacityMax = capacityMax;
  }

  /** Accounts records in a row that end at `seq`. `floor`: what every receiver has acknowledged (asked only when full). */
  push(seq: Seq, size: { readonly records: number; readonly bytes: number }, floor: () => Seq): void {
    this.records += size.records;
    this.bytes += size.bytes;
    if (this.#count === this.#seqs.length) this.#makeRoom(floor());
    const at = (this.#start + this.#count) % this.#seqs.length;
    this.#seqs[at] = seq;
    this.#records[at] = this.records;
    this.#bytes[at] = this.bytes;
    this.#count++;
  }

  /** Totals up to and including `seq`, or undefined where that is not known any more (or lies before all entries). */
  at(seq: Seq): { readonly records: number; readonly bytes: number } | undefined {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#seqs[(this.#start + middle) % this.#seqs.length] as number) <= seq) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return undefined;
    const at = (this.#start + low - 1) % this.#seqs.length;
    return { records: this.#records[at] as number, bytes: this.#bytes[at] as number };
  }

  /** What was sent after the totals `from`, entry by entry; those whose ends are forgotten count with the next one. */
  *since(from: Totals): Iterable<Totals & { readonly upTo: Seq }> {
    let { records, bytes } = from;
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#start + i) % this.#seqs.length;
      const total = { records: this.#records[at] as number, bytes: this.#bytes[at] as number };
      if (total.records <= records) continue;
      yield { upTo: this.#seqs[at] as number, records: total.records - records, bytes: total.bytes - bytes };
      ({ records, bytes } = total);
    }
  }

  #makeRoom(floor: Seq): void {
    // The newest entry at or below the floor stays: it answers `at(floor)`.
    while (this.#count > 1 && (this.#seqs[(this.#start + 1) % this.#seqs.length] as number) <= floor)
      this.#dropOldest();
    if (this.#count * 2 <= this.#seqs.length) return;
    if (this.#seqs.length < this.#capacityMax) this.#grow();
    else this.#thin();
  }

  #dropOldest(): void {
    this.#start = (this.#start + 1) % this.#seqs.length;
    this.#count--;
  }

  #grow(): void {
    this.#rebuild(this.#seqs.length * 2, 1);
  }

  /** Every second entry is forgotten, never the newest: `since` tells what is in flight to the end. */
  #thin(): void {
    this.#rebuild(this.#seqs.length, 2);
  }

  /** Keeps the newest entry and every `stride`th before it. */
  #rebuild(size: number, stride: 1 | 2): void {
    const oldest = (this.#count - 1) % stride;
    const count = Math.ceil(this.#count / stride);
    const copy = (from: Float64Array) => {
      const to = new Float64Array(size);
      for (let i = 0; i < count; i++) to[i] = from[(this.#start + oldest + i * stride) % from.length] as number;
      return to;
    };
    [this.#seqs, this.#records, this.#bytes] = [copy(this.#seqs), copy(this.#records), copy(this.#bytes)];
    this.#start = 0;
    this.#count = count;
  }
}
