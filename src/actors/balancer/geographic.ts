/**
 * Geographic: the nearest, and of several that are about as near (two machines of one data centre) the one with the least
 * in hand. Distances by the haversine formula (R. W. Sinnott, "Virtues of the Haversine", 1984) on a sphere: at most 0.5 %
 * off.
 *
 * Pure.
 * @module
 */
import type { Location } from "./candidate.ts";
import type { Fleet } from "./fleet.ts";
import { leastOf } from "./least.ts";
import { burdenOf, type Decision } from "./why.ts";

/** Mean radius of the Earth. */
const earthKm = 6_371;
const radians = Math.PI / 180;

/** Along the surface, in kilometres. */
export function distanceKm(a: Location, b: Location): number {
  const north = Math.sin(((b.latitude - a.latitude) * radians) / 2) ** 2;
  const east = Math.sin(((b.longitude - a.longitude) * radians) / 2) ** 2;
  const h = north + Math.cos(a.latitude * radians) * Math.cos(b.latitude * radians) * east;
  return 2 * earthKm * Math.asin(Math.min(1, Math.sqrt(h)));
}

export type GeographicAsk = { readonly chance: number; readonly location: Location };

/** `nearKm`: further away than the nearest by at most so much is as near. Those that are nowhere come last. */
export function geographic(fleet: Fleet, { chance, location }: GeographicAsk, nearKm: number): Decision {
  const distances = fleet.candidates.map((one) =>
    one.location === undefined ? Number.MAX_SAFE_INTEGER : distanceKm(location, one.location),
  );
  const reach = Math.min(...distances) + nearKm;
  const near = distances.flatMap((km, place) => (km <= reach ? [place] : []));
  const at = leastOf({ size: near.length }, chance, (index) => {
    const place = near[index] as number;
    return burdenOf(fleet.load(place), fleet.weight(place));
  });
  const place = near[at] as number;
  const km = distances[place] as number;
  return { id: fleet.id(place), why: { rule: "geographic", km, near: near.length, load: fleet.load(place) } };
}
