/**
 * Candidates, chance and counts for tests of the balancer.
 */
import fc from "fast-check";
import { type Algorithm, algorithms, type Balancer } from "../../../src/actors/balancer/balancer.ts";
import type { Candidate } from "../../../src/actors/balancer/candidate.ts";
import { chanceFrom } from "../../sim/random.ts";

export const anyAlgorithm: fc.Arbitrary<Algorithm> = fc.constantFrom(...algorithms);

export function candidate(id: string, fields: Partial<Candidate> = {}): Candidate {
  return { id, weight: 1, connections: 0, healthy: true, ...fields };
}

/** `n` that differ in nothing but their names. */
export function equals(n: number, fields: Partial<Candidate> = {}): readonly Candidate[] {
  return Array.from({ length: n }, (_, number) => candidate(`n${String(number).padStart(3, "0")}`, fields));
}

const share = fc.double({ min: 0, max: 1, noNaN: true });
const where = fc.record({
  latitude: fc.double({ min: -90, max: 90, noNaN: true }),
  longitude: fc.double({ min: -180, max: 180, noNaN: true }),
});
const anyCandidate = (id: string): fc.Arbitrary<Candidate> =>
  fc.record(
    {
      id: fc.constant(id),
      weight: fc.oneof(fc.constant(0), fc.constant(1), fc.double({ min: 0.01, max: 100, noNaN: true })),
      connections: fc.nat(1_000),
      responseMs: fc.double({ min: 0, max: 1_000, noNaN: true }),
      cpu: share,
      memory: share,
      location: where,
      startedAt: fc.nat(20_000),
      healthy: fc.boolean(),
      ejected: fc.boolean(),
      tier: fc.nat(2),
    },
    { requiredKeys: ["id", "weight", "connections", "healthy"] },
  );

export const anyCandidates: fc.Arbitrary<readonly Candidate[]> = fc
  .integer({ min: 0, max: 12 })
  .chain((n) => fc.tuple(...Array.from({ length: n }, (_, number) => anyCandidate(`n${number}`))));

export const anyKey = fc.option(fc.string({ maxLength: 12 }), { nil: undefined });
export const anyLocation = fc.option(where, { nil: undefined });

/** How many of `count` questions each was chosen for. `keyOf`: asked with these keys. */
export function tally(
  balancer: Balancer,
  { count, seed, keyOf }: { count: number; seed: number; keyOf?: (number: number) => string },
): Map<string, number> {
  const chance = chanceFrom(seed);
  const chosen = new Map<string, number>();
  for (let number = 0; number < count; number++) {
    const key = keyOf === undefined ? {} : { key: keyOf(number) };
    const decision = balancer.pick({ chance: chance.next(), ...key });
    if (decision !== undefined) chosen.set(decision.id, (chosen.get(decision.id) ?? 0) + 1);
  }
  return chosen;
}

/** Where each key is, nothing being in hand. */
export function places(balancer: Balancer, keys: readonly string[]): ReadonlyMap<string, string> {
  const chance = chanceFrom("places");
  return new Map(
    keys.map((key) => {
      const id = balancer.pick({ chance: chance.next(), key })?.id ?? "";
      balancer.adjust(id, -1);
      return [key, id];
    }),
  );
}
