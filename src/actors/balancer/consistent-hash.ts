/**
 * Consistent hash with bounded load: clockwise from the key's place on a ring to the first that is not full, where full is
 * `factor` times its share of all that is in hand. A popular key cannot drown whoever has it, and only what does not fit
 * moves on. Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads" (2016/2018; HAProxy's
 * `hash-balance-factor`); the ring of Karger et al. (1997), with as many points for each as it weighs.
 *
 * Pure. Bounded: at most 65 536 points and one for each candidate.
 * @module
 */
import type { Fleet } from "./fleet.ts";
import { hashOf, hashOfPair } from "./hash.ts";
import type { Decision } from "./why.ts";

const pointsOfWeightMax = 128;
const pointsMax = 65_536;

export class Ring {
  readonly #made: string;
  readonly #points: Uint32Array;
  readonly #owners: Uint32Array;

  constructor(fleet: Fleet) {
    this.#made = madeOf(fleet);
    const each = pointsOfWeight(fleet);
    const all = fleet.candidates.flatMap(({ id, weight }, place) => {
      const own = hashOf(id);
      const count = Math.max(1, Math.round(weight * each));
      return Array.from({ length: count }, (_, number) => ({ at: hashOfPair(own, number), place }));
    });
    all.sort((a, b) => a.at - b.at || a.place - b.place);
    this.#points = Uint32Array.from(all, ({ at }) => at);
    this.#owners = Uint32Array.from(all, ({ place }) => place);
  }

  /** Whether another one, made of this fleet, would be the same. */
  fits(fleet: Fleet): boolean {
    return this.#made === madeOf(fleet);
  }

  choose(fleet: Fleet, key: string, factor: number): Decision {
    const bound = new Bound(fleet, factor);
    const passed = new Set<number>();
    const { length } = this.#points;
    for (let at = this.#first(hashOf(key)); passed.size < fleet.size; at = (at + 1) % length) {
      const place = this.#owners[at] as number;
      if (bound.hasRoom(place)) return this.#chosen(fleet, { place, steps: passed.size, bound });
      passed.add(place);
    }
    // Only rounding comes here: together they have room for more than there is.
    return this.#chosen(fleet, { place: this.#owners[0] as number, steps: passed.size, bound });
  }

  #chosen(fleet: Fleet, { place, steps, bound }: { place: number; steps: number; bound: Bound }): Decision {
    const [load, capacity] = [fleet.load(place), bound.capacity(place)];
    return { id: fleet.id(place), why: { rule: "consistentHash", steps, load, capacity } };
  }

  /** The first point at or after `hash`; after the last comes the first. */
  #first(hash: number): number {
    let [from, to] = [0, this.#points.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#points[middle] as number) < hash) from = middle + 1;
      else to = middle;
    }
    return from % this.#points.length;
  }
}

/** How much each may hold, with the one that is to be placed. */
class Bound {
  readonly #fleet: Fleet;
  readonly #ofWeight: number;

  constructor(fleet: Fleet, factor: number) {
    this.#fleet = fleet;
    this.#ofWeight = (factor * (fleet.totalLoad + 1)) / fleet.totalWeight;
  }

  capacity(place: number): number {
    return Math.ceil(this.#ofWeight * this.#fleet.weight(place));
  }
  hasRoom(place: number): boolean {
    return this.#fleet.load(place) + 1 <= this.capacity(place);
  }
}

/**
 * In powers of two, so that it stays the same while candidates come and go: a change of scale moves keys that need not
 * move.
 */
function pointsOfWeight(fleet: Fleet): number {
  const weight = fleet.candidates.reduce((sum, one) => sum + one.weight, 0);
  return Math.min(pointsOfWeightMax, 2 ** Math.floor(Math.log2(pointsMax / weight)));
}

function madeOf(fleet: Fleet): string {
  return fleet.candidates.map(({ id, weight }) => `${id}\n${weight}`).join("\n\n");
}
