/**
 * Work that waits, higher lanes first, in each lane in the order of the log. What comes back goes where it was before.
 *
 * Pure. Taking the first is O(1), whatever waits behind it.
 * @module
 */
import type { Seq } from "../../protocol/ids.ts";
import { type Lane, lanes } from "../../protocol/lane.ts";

type Waits = { readonly seq: Seq; readonly lane: Lane };

export class Waiting<T extends Waits> {
  readonly #lanes: readonly Queue<T>[] = lanes.map(() => new Queue<T>());
  size = 0;

  add(item: T): void {
    (this.#lanes[item.lane] as Queue<T>).add(item);
    this.size++;
  }

  first(): T | undefined {
    for (const queue of this.#lanes) if (queue.size > 0) return queue.first();
    return undefined;
  }

  take(): T | undefined {
    for (const queue of this.#lanes) {
      if (queue.size === 0) continue;
      this.size--;
      return queue.take();
    }
    return undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const queue of this.#lanes) yield* queue;
  }
}

const compactAt = 1_024;

/** In order of seq. */
class Queue<T extends Waits> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  add(item: T): void {
    const items = this.#items;
    const last = items[items.length - 1];
    if (last === undefined || this.size === 0 || last.seq < item.seq) items.push(item);
    else items.splice(this.#placeOf(item.seq), 0, item);
  }

  first(): T | undefined {
    return this.#items[this.#head];
  }

  take(): T | undefined {
    const item = this.#items[this.#head++];
    if (this.#head === this.#items.length || this.#head >= compactAt) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let at = this.#head; at < this.#items.length; at++) yield this.#items[at] as T;
  }

  #placeOf(seq: Seq): number {
    let [from, to] = [this.#head, this.#items.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#items[middle] as T).seq < seq) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
