/**
 * Keeps samples and answers percentiles and slopes.
 * @module
 */

export class Distribution {
  #values = new Float64Array(4_096);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  get count(): number {
    return this.#count;
  }

  /** The nearest-rank percentile; NaN without samples. */
  percentiles(...percents: readonly number[]): number[] {
    const sorted = this.#values.slice(0, this.#count).sort();
    return percents.map((percent) => sorted[Math.max(0, Math.ceil((percent / 100) * this.#count) - 1)] ?? Number.NaN);
  }
}

/** Least squares: how much y grows for each step of x. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const n = points.length;
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / n;
  const [meanX, meanY] = [mean(0), mean(1)];
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return variance === 0 ? Number.NaN : covariance / variance;
}

export function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}
