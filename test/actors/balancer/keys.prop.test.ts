/**
 * How rules that go by a key spread keys, and which keys move when candidates come and go.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Algorithm, createBalancer } from "../../../src/actors/balancer/balancer.ts";
import type { Candidate } from "../../../src/actors/balancer/candidate.ts";
import { anyAlgorithm, anyCandidates, candidate, equals, places, tally } from "./fleet-arbitraries.ts";

const few = { numRuns: 20 };
const keys = Array.from({ length: 2_000 }, (_, number) => `user-${number}`);
const byKey = ["hash", "consistentHash"] as const;

function placesOf(algorithm: Algorithm, candidates: readonly Candidate[]): ReadonlyMap<string, string> {
  const balancer = createBalancer(algorithm);
  balancer.update(candidates, 0);
  return places(balancer, keys);
}

for (const algorithm of byKey) {
  describe(algorithm, () => {
    test("one that goes moves its own keys and no other, one that comes takes keys only to itself", () => {
      fc.assert(
        fc.property(fc.integer({ min: 2, max: 20 }), fc.nat(), (n, drawn) => {
          const all = equals(n);
          const gone = (all[drawn % n] as Candidate).id;
          const before = placesOf(algorithm, all);
          const after = placesOf(
            algorithm,
            all.filter(({ id }) => id !== gone),
          );
          for (const key of keys) if (before.get(key) !== gone) expect(after.get(key)).toBe(before.get(key) as string);
        }),
        few,
      );
    });

    test("keys spread by weight, and one that comes takes about its share", () => {
      const ten = equals(10);
      const before = placesOf(algorithm, ten);
      const heavy = candidate("heavy", { weight: 5 });
      const after = placesOf(algorithm, [...ten, heavy]);
      const moved = keys.filter((key) => before.get(key) !== after.get(key));
      expect(moved.every((key) => after.get(key) === "heavy")).toBe(true);
      expect(Math.abs(moved.length / keys.length - 5 / 15)).toBeLessThan(0.06);
      for (const { id } of ten) {
        const share = keys.filter((key) => before.get(key) === id).length / keys.length;
        expect(Math.abs(share - 0.1)).toBeLessThan(0.04);
      }
    });

    test("slow start moves no key", () => {
      const young = equals(5).map((one, number) => ({ ...one, startedAt: number * 1_000 }));
      const balancer = createBalancer(algorithm, { slowStartMs: 10_000, boundedLoad: 100 });
      balancer.update(young, 4_000);
      const before = places(balancer, keys);
      balancer.update(young, 20_000);
      expect(places(balancer, keys)).toEqual(before);
    });

    test("without a key power of two choices stands in, and says so", () => {
      const balancer = createBalancer(algorithm);
      balancer.update(equals(2), 0);
      expect(balancer.pick({ chance: 0 })?.why).toMatchObject({ rule: "powerOfTwo", lacking: "key" });
    });
  });
}

describe("consistentHash with bounded load", () => {
  test("nobody holds more than its bound, however popular a key is", () => {
    const popularity = fc.array(fc.nat(3), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 12 }),
        popularity,
        fc.double({ min: 1, max: 2, noNaN: true }),
        (...drawn) => {
          const [n, keys, boundedLoad] = drawn;
          const balancer = createBalancer("consistentHash", { boundedLoad });
          balancer.update(equals(n), 0);
          const chosen = tally(balancer, { count: keys.length, seed: 1, keyOf: (number) => `k${keys[number]}` });
          expect(Math.max(...chosen.values())).toBeLessThanOrEqual(Math.ceil((boundedLoad * keys.length) / n));
        },
      ),
    );
  });

  test("one of ten that goes moves less than 2.5 times its share of sessions that stay, at the default bound", () => {
    const all = equals(10);
    const placed = (candidates: readonly Candidate[]): readonly (string | undefined)[] => {
      const balancer = createBalancer("consistentHash");
      balancer.update(candidates, 0);
      return keys.map((key) => balancer.pick({ chance: 0, key })?.id);
    };
    const before = placed(all);
    for (const { id: gone } of all) {
      const after = placed(all.filter(({ id }) => id !== gone));
      const moved = before.filter((id, number) => id !== after[number]).length;
      expect(moved / keys.length).toBeLessThan(0.25);
    }
  });

  test("says how many were full: a key's own one at its bound passes it on", () => {
    const balancer = createBalancer("consistentHash");
    balancer.update(equals(2), 0);
    const own = balancer.pick({ chance: 0, key: "k" });
    expect(own?.why).toEqual({ rule: "consistentHash", steps: 0, load: 0, capacity: 1 });
    expect(balancer.pick({ chance: 0, key: "k" })).toEqual({
      id: own?.id as string,
      why: { rule: "consistentHash", steps: 0, load: 1, capacity: 2 },
    });
    const next = balancer.pick({ chance: 0, key: "k" });
    expect(next?.id).not.toBe(own?.id as string);
    expect(next?.why).toEqual({ rule: "consistentHash", steps: 1, load: 0, capacity: 2 });
  });

  test("a ring of many heavy ones stays bounded and in proportion", () => {
    const heavy = equals(500, { weight: 100 });
    const balancer = createBalancer("consistentHash", { boundedLoad: 100 });
    balancer.update([...heavy, candidate("light", { weight: 1 })], 0);
    const chosen = tally(balancer, { count: 5_000, seed: 1, keyOf: (number) => `k${number}` });
    expect(chosen.size).toBeGreaterThan(480);
    expect(chosen.get("light") ?? 0).toBeLessThan(30);
  });
});

describe("sticky keys", () => {
  test("a key stays where it is while that one can be chosen, by every rule, whoever else comes and goes", () => {
    fc.assert(
      fc.property(anyAlgorithm, fc.array(anyCandidates, { minLength: 1, maxLength: 8 }), (algorithm, times) => {
        if (algorithm === "hash" || algorithm === "consistentHash") return;
        const balancer = createBalancer(algorithm, { stickyKeysMax: 10 });
        let had: string | undefined;
        for (const [at, candidates] of times.entries()) {
          balancer.update(candidates, at);
          const own = candidates.find(({ id }) => id === had);
          const { id } = balancer.pick({ chance: 0.3, key: "k" }) ?? {};
          const isAble = own?.healthy === true && own.weight > 0 && own.ejected !== true;
          const isFirst = candidates.every(
            (one) => (one.tier ?? 0) >= (own?.tier ?? 0) || !one.healthy || one.weight === 0,
          );
          if (isAble && isFirst) expect(id).toBe(had as string);
          had = id ?? had;
        }
      }),
    );
  });

  test("of more than stickyKeysMax keys the one not asked for the longest is chosen anew", () => {
    const balancer = createBalancer("roundRobin", { stickyKeysMax: 2 });
    balancer.update(equals(5), 0);
    const ask = (key: string): string => balancer.pick({ chance: 0, key })?.why.rule ?? "";
    expect(["a", "b", "a", "c", "a", "b"].map(ask)).toEqual([
      "roundRobin",
      "roundRobin",
      "sticky",
      "roundRobin",
      "sticky",
      "roundRobin",
    ]);
  });
});
