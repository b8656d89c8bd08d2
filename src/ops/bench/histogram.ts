/**
 * Durations in bounded memory: buckets that grow by 2 %, so every quantile is within 2 % of the true one.
 *
 * Pure.
 * @module
 */
const growth = 1.02;
const logGrowth = Math.log(growth);
/** 0.001 ms to more than an hour. */
const smallestMs = 0.001;
const bucketsMax = 1_200;

export class Histogram {
  readonly #buckets = new Uint32Array(bucketsMax);
  #count = 0;
  #highestMs = 0;

  add(ms: number): void {
    const bucket = ms <= smallestMs ? 0 : Math.ceil(Math.log(ms / smallestMs) / logGrowth);
    const index = Math.min(bucket, bucketsMax - 1);
    this.#buckets[index] = (this.#buckets[index] as number) + 1;
    this.#count++;
    this.#highestMs = Math.max(this.#highestMs, ms);
  }

  get count(): number {
    return this.#count;
  }

  /** `ratio` in [0, 1]; 0 when nothing was added. */
  quantileMs(ratio: number): number {
    const rank = Math.max(1, Math.ceil(ratio * this.#count));
    let below = 0;
    for (let index = 0; index < bucketsMax; index++) {
      below += this.#buckets[index] as number;
      if (below >= rank) return Math.min(smallestMs * growth ** index, this.#highestMs);
    }
    return this.#highestMs;
  }
}
