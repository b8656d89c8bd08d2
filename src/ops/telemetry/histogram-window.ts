/**
 * What a histogram took since it was last looked at, as quantiles.
 *
 * Pure.
 * @module
 */

export type HistogramReading = {
  readonly boundsMs: readonly number[];
  /** Not cumulative; what is above the last bound is in `count` alone. */
  readonly buckets: readonly number[];
  readonly count: number;
};

export class HistogramWindow {
  #buckets: readonly number[] = [];
  #count = 0;

  /** Undefined quantiles: nothing was taken. Values are placed evenly inside their bucket. */
  next(reading: HistogramReading, quantiles: readonly number[]): readonly (number | undefined)[] {
    const taken = reading.buckets.map((times, index) => times - (this.#buckets[index] ?? 0));
    const count = reading.count - this.#count;
    this.#buckets = [...reading.buckets];
    this.#count = reading.count;
    return quantiles.map((quantile) =>
      count === 0 ? undefined : quantileOf(reading.boundsMs, taken, quantile * count),
    );
  }
}

/** The value that `rank` of those that were taken do not pass; above the last bound it is that bound. */
function quantileOf(boundsMs: readonly number[], taken: readonly number[], rank: number): number {
  let below = 0;
  for (const [index, times] of taken.entries()) {
    const least = boundsMs[index - 1] ?? 0;
    if (times > 0 && below + times >= rank) {
      const share = (rank - below) / times;
      return least + ((boundsMs[index] as number) - least) * share;
    }
    below += times;
  }
  return boundsMs[boundsMs.length - 1] as number;
}
