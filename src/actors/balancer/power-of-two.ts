/**
 * Rules that draw: two and the better of them, or one.
 *
 * Power of two choices: of two drawn by weight the one with less in hand. Whoever chooses the best of all goes by reports
 * that are a little old, as everybody else does, and all go to the same one; with two drawn the most loaded one has only
 * O(log log n) more than the mean, and what is known may be old (M. Mitzenmacher, "The Power of Two Choices in Randomized
 * Load Balancing", 1996/2001; "How Useful Is Old Information?", 2000).
 *
 * Pure: one number of chance serves for both draws.
 * @module
 */
import type { AliasTable } from "./alias-table.ts";
import type { Ask } from "./ask.ts";
import type { Fleet } from "./fleet.ts";
import { burdenOf, type Decision } from "./why.ts";

/** At least two are there. `lacking`: it stands in for another rule. */
export function powerOfTwo(fleet: Fleet, { chance }: Ask, lacking?: "key" | "location"): Decision {
  const [best, second] = betterOfTwo(fleet, chance);
  const other = { id: fleet.id(second), load: fleet.load(second), weight: fleet.weight(second) };
  const why = { rule: "powerOfTwo", load: fleet.load(best), weight: fleet.weight(best), other } as const;
  return { id: fleet.id(best), why: lacking === undefined ? why : { ...why, lacking } };
}

/** The better first. */
function betterOfTwo(fleet: Fleet, chance: number): readonly [number, number] {
  const { samples } = fleet;
  const first = samples.draw(chance);
  const drawn = samples.draw(samples.rest);
  const second = drawn === first ? (first + 1) % fleet.size : drawn;
  const isSecondBetter =
    burdenOf(fleet.load(second), fleet.weight(second)) < burdenOf(fleet.load(first), fleet.weight(first));
  return isSecondBetter ? [second, first] : [first, second];
}

/** Random, by weight. */
export function random(fleet: Fleet, { chance }: Ask): Decision {
  const place = fleet.samples.draw(chance);
  return { id: fleet.id(place), why: { rule: "random", weight: fleet.weight(place), total: fleet.totalWeight } };
}

/** A full one has so little of its weight left that the others come first, and is not lost if all are full. */
const freeShareMin = 0.001;

/** Weights by what each has free of its scarcest resource. */
export function freeWeights(fleet: Fleet): readonly number[] {
  return fleet.candidates.map(
    ({ cpu = 0, memory = 0 }, place) => fleet.weight(place) * Math.max(freeShareMin, 1 - Math.max(cpu, memory)),
  );
}

/**
 * Resource aware: by chance, in proportion to weight times what is free of the scarcer of CPU and memory. As the weights
 * of gRPC's weighted_round_robin come from reported utilization (gRFC A58); drawn, not the freest for all, because the
 * report is the same for everybody until the next one.
 */
export function resourceAware(fleet: Fleet, samples: AliasTable, { chance }: Ask): Decision {
  const place = samples.draw(chance);
  const { cpu = 0, memory = 0 } = fleet.at(place);
  return { id: fleet.id(place), why: { rule: "resourceAware", cpu, memory, weight: fleet.weight(place) } };
}
