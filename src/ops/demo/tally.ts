/**
 * Decides what was lost or seen twice, from the numbers that each publisher gives its records.
 *
 * Pure, and independent of the SDK's own bookkeeping: it only sees what the application sees. One publisher
 * writes one topic, so its records reach every subscriber in order; a number that is skipped may still be
 * counted as lost at the end, one that comes again is counted as duplicated at once.
 * @module
 */
export type Totals = {
  readonly published: number;
  readonly acked: number;
  readonly delivered: number;
  /** Acknowledged and not delivered to every subscriber (while the run lasts: not yet). */
  readonly missing: number;
  readonly duplicated: number;
};

export class Tally {
  readonly #subscribers: number;
  /** By publisher. */
  readonly #published = new Map<string, number>();
  readonly #acked = new Map<string, number>();
  /** By subscriber and publisher: the highest number seen, and those below it that were skipped. */
  readonly #seen = new Map<string, { highest: number; readonly skipped: Set<number> }>();
  #delivered = 0;
  #duplicated = 0;

  constructor(subscribers: number) {
    this.#subscribers = subscribers;
  }

  /** The publisher's next number, from 1. */
  publish(publisher: string): number {
    const n = (this.#published.get(publisher) ?? 0) + 1;
    this.#published.set(publisher, n);
    return n;
  }

  acked(publisher: string): void {
    this.#acked.set(publisher, (this.#acked.get(publisher) ?? 0) + 1);
  }

  deliver(subscriber: number, publisher: string, n: number): void {
    const key = `${subscriber}/${publisher}`;
    const seen = this.#seen.get(key) ?? { highest: 0, skipped: new Set() };
    this.#seen.set(key, seen);
    if (n <= seen.highest && !seen.skipped.delete(n)) {
      this.#duplicated++;
      return;
    }
    for (let skipped = seen.highest + 1; skipped < n; skipped++) seen.skipped.add(skipped);
    seen.highest = Math.max(seen.highest, n);
    this.#delivered++;
  }

  totals(): Totals {
    const sum = (counts: ReadonlyMap<string, number>) =>
      [...counts.values()].reduce((total, count) => total + count, 0);
    const acked = sum(this.#acked);
    return {
      published: sum(this.#published),
      acked,
      delivered: this.#delivered,
      missing: Math.max(0, acked * this.#subscribers - this.#delivered),
      duplicated: this.#duplicated,
    };
  }
}
