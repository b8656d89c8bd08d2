/**
 * Rules that look at all and take the least. Of several that are equal chance decides where the look begins, or a
 * thousand clients that come between two reports would all go to the same one.
 *
 * Pure.
 * @module
 */

import type { Ask } from "./ask.ts";
import type { Fleet } from "./fleet.ts";
import { burdenOf, type Decision } from "./why.ts";

/** Least connections: work in hand against weight. As `least_conn` of nginx, weights included. */
export function leastConnections(fleet: Fleet, { chance }: Ask): Decision {
  const place = leastOf(fleet, chance, (at) => burdenOf(fleet.load(at), fleet.weight(at)));
  const [load, weight] = [fleet.load(place), fleet.weight(place)];
  return { id: fleet.id(place), why: { rule: "leastConnections", load, weight, of: fleet.size } };
}

/**
 * Least response time: the average time times what is in hand, against weight. The cost function of Finagle's "Peak
 * EWMA" (com.twitter.finagle.loadbalancer.PeakEwma), asked of all instead of two.
 */
export function leastResponseTime(fleet: Fleet, times: readonly number[], { chance }: Ask): Decision {
  const place = leastOf(fleet, chance, (at) => (times[at] as number) * burdenOf(fleet.load(at), fleet.weight(at)));
  const [load, weight, responseMs] = [fleet.load(place), fleet.weight(place), times[place] as number];
  return { id: fleet.id(place), why: { rule: "leastResponseTime", responseMs, load, weight, of: fleet.size } };
}

/** Below a clock's step nobody is better than anybody; and with 0 the work in hand would not count. */
const responseMsLeast = 0.1;

/** Of each candidate. One of which nothing is known is as fast as the others on average: neither shunned nor flooded. */
export function responseTimes(fleet: Fleet): readonly number[] {
  const known = fleet.candidates.flatMap(({ responseMs }) => (responseMs === undefined ? [] : [responseMs]));
  const mean = known.length === 0 ? 0 : known.reduce((sum, ms) => sum + ms, 0) / known.length;
  return fleet.candidates.map(({ responseMs = mean }) => Math.max(responseMsLeast, responseMs));
}

/** The place whose cost is least; of equal ones the first at or after where chance says. */
export function leastOf(fleet: { readonly size: number }, chance: number, cost: (place: number) => number): number {
  const { size } = fleet;
  const start = Math.floor(chance * size);
  let best = start % size;
  let least = cost(best);
  for (let step = 1; step < size; step++) {
    const place = (start + step) % size;
    const one = cost(place);
    if (one >= least) continue;
    least = one;
    best = place;
  }
  return best;
}
