/**
 * Rules that take turns. They go on where they were when the fleet changes.
 *
 * Pure.
 * @module
 */
import type { Fleet } from "./fleet.ts";
import type { Decision } from "./why.ts";

/** Round robin: one after the other in order of their ids, whatever they weigh and do. */
export class RoundRobin {
  /** Who was last, and where: those after it are next, also when it has gone. */
  #last = "";
  #place = -1;
  #fleet: Fleet | undefined;

  next(fleet: Fleet): Decision {
    if (fleet !== this.#fleet) this.#take(fleet);
    this.#place = (this.#place + 1) % fleet.size;
    this.#last = fleet.id(this.#place);
    return { id: this.#last, why: { rule: "roundRobin", turn: this.#place + 1, of: fleet.size } };
  }

  #take(fleet: Fleet): void {
    this.#fleet = fleet;
    const after = fleet.candidates.findIndex(({ id }) => id > this.#last);
    this.#place = Math.max(after, 0) - 1; // None after it: the first is next.
  }
}

/**
 * Smooth weighted round robin, as nginx has it ("Upstream: smooth weighted round-robin balancing", M. Dounin 2012): with
 * weights 5, 1, 1 the turns are a a b a c a a, not a a a a a b c.
 */
export class WeightedRoundRobin {
  /** What each is owed. */
  #owed: number[] = [];
  #fleet: Fleet | undefined;

  next(fleet: Fleet): Decision {
    if (fleet !== this.#fleet) this.#take(fleet);
    let most = Number.NEGATIVE_INFINITY;
    let best = 0;
    for (let place = 0; place < fleet.size; place++) {
      const owed = (this.#owed[place] as number) + fleet.weight(place);
      this.#owed[place] = owed;
      if (owed <= most) continue;
      most = owed;
      best = place;
    }
    this.#owed[best] = most - fleet.totalWeight;
    const why = { rule: "weightedRoundRobin", weight: fleet.weight(best), total: fleet.totalWeight } as const;
    return { id: fleet.id(best), why };
  }

  #take(fleet: Fleet): void {
    const before = this.#fleet;
    const owedTo = (id: string): number => this.#owed[before?.placeOf(id) ?? -1] ?? 0;
    this.#owed = fleet.candidates.map(({ id }) => owedTo(id));
    this.#fleet = fleet;
  }
}
