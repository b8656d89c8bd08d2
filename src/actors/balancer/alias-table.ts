/**
 * Draws an index in proportion to weights, in constant time: the alias method (Walker 1977, built as Vose 1991 does).
 *
 * Pure: chance comes in as a number.
 * @module
 */

const belowOne = 1 - 2 ** -53;

export class AliasTable {
  /** What is left of the chance of the last draw, as good as new: uniform in [0, 1). */
  rest = 0;
  readonly #keep: Float64Array;
  readonly #alias: Uint32Array;

  /** `weights`: at least one, each above 0. */
  constructor(weights: readonly number[]) {
    const n = weights.length;
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#keep = new Float64Array(n).fill(1);
    this.#alias = Uint32Array.from(weights.keys());
    const scaled = weights.map((weight) => (weight * n) / total);
    const small: number[] = [];
    const large: number[] = [];
    for (const [index, share] of scaled.entries()) (share < 1 ? small : large).push(index);
    while (small.length > 0 && large.length > 0) {
      const less = small.pop() as number;
      const more = large.pop() as number;
      this.#keep[less] = scaled[less] as number;
      this.#alias[less] = more;
      scaled[more] = (scaled[more] as number) + (scaled[less] as number) - 1;
      ((scaled[more] as number) < 1 ? small : large).push(more);
    }
  }

  /** `chance`: uniform in [0, 1). */
  draw(chance: number): number {
    const place = chance * this.#keep.length;
    const column = Math.min(Math.floor(place), this.#keep.length - 1);
    const height = Math.min(place - column, belowOne); // The product may have been rounded up.
    const keep = this.#keep[column] as number;
    if (height < keep) {
      this.rest = height / keep;
      return column;
    }
    this.rest = (height - keep) / (1 - keep);
    return this.#alias[column] as number;
  }
}
