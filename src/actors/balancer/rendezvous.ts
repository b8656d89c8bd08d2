/**
 * Hash by key: whoever has the highest hash with the key, by weight. One that goes takes only its own keys with it, one
 * that comes takes only those that are its own from now on; nothing is kept, and everybody who asks finds the same.
 * Rendezvous hashing (Thaler and Ravishankar 1996/1998), weighted as Schindelhauer and Schomaker ("Weighted Distributed
 * Hash Tables", 2005).
 *
 * Pure.
 * @module
 */
import type { Candidate } from "./candidate.ts";
import { hashOf, hashOfPair, hashRange } from "./hash.ts";
import type { Decision } from "./why.ts";

export class Rendezvous {
  readonly #candidates: readonly Candidate[];
  readonly #hashes: readonly number[];
  readonly #areEqual: boolean;

  /** At least one. Their weights count without slow start: keys would move as it goes on. */
  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates;
    this.#hashes = candidates.map(({ id }) => hashOf(id));
    this.#areEqual = candidates.every(({ weight }) => weight === candidates[0]?.weight);
  }

  choose(key: string): Decision {
    const hash = hashOf(key);
    let best = 0;
    let highest = Number.NEGATIVE_INFINITY;
    for (let place = 0; place < this.#hashes.length; place++) {
      const score = this.#score(place, hashOfPair(this.#hashes[place] as number, hash));
      if (score <= highest) continue;
      highest = score;
      best = place;
    }
    return { id: this.#at(best).id, why: { rule: "hash", of: this.#candidates.length } };
  }

  /** With weight 2 it is the better of two draws. The logarithm changes no order where all weigh the same. */
  #score(place: number, drawn: number): number {
    return this.#areEqual ? drawn : Math.log((drawn + 0.5) / hashRange) / this.#at(place).weight;
  }

  #at(place: number): Candidate {
    return this.#candidates[place] as Candidate;
  }
}
