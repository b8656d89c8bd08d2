/**
 * Those that can be chosen now, in the form in which choosing is fast: their weights with slow start in, and the work
 * that each has in hand, kept up to date between two reports.
 *
 * Pure. Owns: as many numbers as candidates that can be chosen, each above 0 in `weights`.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import { AliasTable } from "./alias-table.ts";
import { type Candidate, choosable, slowStartShare } from "./candidate.ts";

export class Fleet {
  readonly candidates: readonly Candidate[];
  readonly weights: readonly number[];
  readonly totalWeight: number;
  readonly #loads: Float64Array;
  readonly #places = new Map<string, number>();
  #totalLoad: number;
  #samples: AliasTable | undefined;

  constructor(
    all: readonly Candidate[],
    { slowStartMs, now }: { readonly slowStartMs: number; readonly now: EpochMs },
  ) {
    this.candidates = choosable(all);
    this.weights = this.candidates.map(({ weight, startedAt }) =>
      startedAt === undefined ? weight : weight * slowStartShare(now - startedAt, slowStartMs),
    );
    this.totalWeight = this.weights.reduce((sum, weight) => sum + weight, 0);
    this.#loads = Float64Array.from(this.candidates, ({ connections }) => connections);
    this.#totalLoad = this.#loads.reduce((sum, load) => sum + load, 0);
    for (const [place, { id }] of this.candidates.entries()) this.#places.set(id, place);
  }

  get size(): number {
    return this.candidates.length;
  }
  get totalLoad(): number {
    return this.#totalLoad;
  }
  /** By weight; built when the first is drawn. */
  get samples(): AliasTable {
    this.#samples ??= new AliasTable(this.weights);
    return this.#samples;
  }

  /** −1: it is not there, or cannot be chosen. */
  placeOf(id: string): number {
    return this.#places.get(id) ?? -1;
  }
  at(place: number): Candidate {
    return this.candidates[place] as Candidate;
  }
  id(place: number): string {
    return (this.candidates[place] as Candidate).id;
  }
  load(place: number): number {
    return this.#loads[place] as number;
  }
  weight(place: number): number {
    return this.weights[place] as number;
  }

  /** It has so much more in hand, or less. */
  adjust(id: string, by: number): void {
    const place = this.placeOf(id);
    if (place < 0) return;
    const change = Math.max(-this.load(place), by);
    this.#loads[place] = this.load(place) + change;
    this.#totalLoad += change;
  }
}
