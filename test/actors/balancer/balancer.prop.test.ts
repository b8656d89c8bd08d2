/**
 * What holds for every rule, whatever the candidates: who may be chosen, that somebody is, and that the same questions
 * bring the same decisions.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { createBalancer } from "../../../src/actors/balancer/balancer.ts";
import type { Candidate } from "../../../src/actors/balancer/candidate.ts";
import { whyText } from "../../../src/actors/balancer/why.ts";
import { anyAlgorithm, anyCandidates, anyKey, anyLocation } from "./fleet-arbitraries.ts";

const chances = fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), {
  minLength: 1,
  maxLength: 20,
});
const now = 20_000;

/** Said again in other words than choosable() does. */
function maySee(candidates: readonly Candidate[], id: string): boolean {
  const able = candidates.filter((one) => one.healthy && one.weight > 0);
  const chosen = able.find((one) => one.id === id);
  if (chosen === undefined) return false;
  const isLastResort = able.every((one) => one.ejected === true);
  if (chosen.ejected === true && !isLastResort) return false;
  return able.every((one) => (one.ejected === true && !isLastResort) || (one.tier ?? 0) >= (chosen.tier ?? 0));
}

test("pick() chooses one that is healthy and of the first tier, an ejected one only when all are, and none only when none can be", () => {
  fc.assert(
    fc.property(
      fc.record({ algorithm: anyAlgorithm, candidates: anyCandidates, chances, key: anyKey, location: anyLocation }),
      ({ algorithm, candidates, chances, key, location }) => {
        const balancer = createBalancer(algorithm, { slowStartMs: 10_000, stickyKeysMax: 4 });
        balancer.update(candidates, now);
        const asked = { ...(key === undefined ? {} : { key }), ...(location === undefined ? {} : { location }) };
        for (const chance of chances) {
          const decision = balancer.pick({ chance, ...asked });
          if (decision === undefined) {
            expect(candidates.filter((one) => one.healthy && one.weight > 0)).toEqual([]);
          } else {
            expect(maySee(candidates, decision.id)).toBe(true);
            expect(whyText(decision)).toStartWith(`${decision.why.rule}: ${decision.id} `);
          }
        }
      },
    ),
  );
});

test("pick() passes over those that were tried, and answers none when all were", () => {
  fc.assert(
    fc.property(anyAlgorithm, anyCandidates, anyKey, fc.double({ min: 0, max: 0.999, noNaN: true }), (...drawn) => {
      const [algorithm, candidates, key, chance] = drawn;
      const balancer = createBalancer(algorithm, { stickyKeysMax: 4 });
      balancer.update(candidates, now);
      const except = new Set<string>();
      for (let left = balancer.size; left > 0; left--) {
        const decision = balancer.pick({ chance, except, ...(key === undefined ? {} : { key }) });
        expect(except.has(decision?.id ?? "none")).toBe(false);
        except.add(decision?.id ?? "");
      }
      expect(except.size).toBe(balancer.size);
      expect(balancer.pick({ chance, except })).toBeUndefined();
    }),
  );
});

test("pick() decides the same for the same reports and questions, in whatever order the candidates are told", () => {
  fc.assert(
    fc.property(anyAlgorithm, anyCandidates, chances, anyLocation, (algorithm, candidates, chances, location) => {
      const [one, other] = [createBalancer(algorithm), createBalancer(algorithm)];
      one.update(candidates, now);
      other.update(candidates.toReversed(), now);
      const at = location === undefined ? {} : { location };
      const questions = chances.map((chance, number) => ({ chance, key: `k${number}`, ...at }));
      expect(questions.map((ask) => one.pick(ask))).toEqual(questions.map((ask) => other.pick(ask)));
    }),
  );
});
