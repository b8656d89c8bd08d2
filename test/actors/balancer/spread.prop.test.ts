/**
 * How rules that do not go by a key spread the work, and that weights and what is free are respected.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Algorithm, createBalancer } from "../../../src/actors/balancer/balancer.ts";
import { candidate, equals, tally } from "./fleet-arbitraries.ts";

const seeds = fc.nat(1_000_000);
const few = { numRuns: 20 };
/** Each has so much of the whole as its weight says. */
function shares(chosen: ReadonlyMap<string, number>, count: number): number[] {
  return [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, times]) => times / count);
}

describe("spread over equals", () => {
  const exact: readonly Algorithm[] = ["roundRobin", "weightedRoundRobin", "leastConnections"];
  for (const algorithm of exact) {
    test(`${algorithm} gives each the same, but for one`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 20, max: 300 }), seeds, (n, count, seed) => {
          const balancer = createBalancer(algorithm);
          balancer.update(equals(n), 0);
          const times = [...tally(balancer, { count, seed }).values()];
          expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1);
          expect(times.length).toBe(n);
        }),
      );
    });
  }

  test("powerOfTwo leaves the most loaded of 50 within 4 of the mean after 5 000, where random is above 20 over it", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const [two, one] = [createBalancer("powerOfTwo"), createBalancer("random")];
        for (const balancer of [two, one]) balancer.update(equals(50), 0);
        expect(Math.max(...tally(two, { count: 5_000, seed }).values())).toBeLessThanOrEqual(104);
        expect(Math.max(...tally(one, { count: 5_000, seed }).values())).toBeGreaterThan(108);
      }),
      few,
    );
  });

  test("leastResponseTime and powerOfTwo do not send all that come between two reports to the same one", () => {
    for (const algorithm of ["leastResponseTime", "powerOfTwo", "leastConnections"] as const) {
      const balancer = createBalancer(algorithm);
      balancer.update(
        [
          candidate("a", { connections: 90 }),
          candidate("b", { connections: 100 }),
          candidate("c", { connections: 100 }),
        ],
        0,
      );
      const chosen = tally(balancer, { count: 100, seed: 1 });
      expect(Math.max(...chosen.values())).toBeLessThan(60);
    }
  });
});

describe("weights", () => {
  const weighted: readonly Algorithm[] = [
    "weightedRoundRobin",
    "random",
    "leastConnections",
    "powerOfTwo",
    "resourceAware",
  ];
  for (const algorithm of weighted) {
    test(`${algorithm} gives each its share`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 8 }),
          seeds,
          (weights, seed) => {
            const balancer = createBalancer(algorithm);
            balancer.update(
              weights.map((weight, number) => candidate(`n${number}`, { weight })),
              0,
            );
            const count = 20_000;
            const total = weights.reduce((sum, weight) => sum + weight, 0);
            for (const [number, share] of shares(tally(balancer, { count, seed }), count).entries())
              expect(Math.abs(share - (weights[number] as number) / total)).toBeLessThan(0.02);
          },
        ),
        few,
      );
    });
  }

  test("weightedRoundRobin is smooth: 5, 1, 1 becomes a a b a c a a", () => {
    const balancer = createBalancer("weightedRoundRobin");
    balancer.update([candidate("a", { weight: 5 }), candidate("b"), candidate("c")], 0);
    const turns = Array.from({ length: 7 }, () => balancer.pick({ chance: 0 })?.id).join(" ");
    expect(turns).toBe("a a b a c a a");
  });

  test("weight 0 gets nothing", () => {
    const balancer = createBalancer("random");
    balancer.update([candidate("a", { weight: 0 }), candidate("b"), candidate("c")], 0);
    expect([...tally(balancer, { count: 1_000, seed: 1 }).keys()].sort()).toEqual(["b", "c"]);
  });

  test("slow start: one that has just started has a tenth of its share, and all of it after slowStartMs", () => {
    const balancer = createBalancer("random", { slowStartMs: 10_000 });
    const both = [candidate("old", { startedAt: -60_000 }), candidate("new", { startedAt: 0 })];
    const shareAt = (now: number): number => {
      balancer.update(both, now);
      return (tally(balancer, { count: 20_000, seed: 3 }).get("new") ?? 0) / 20_000;
    };
    expect(Math.abs(shareAt(0) - 0.1 / 1.1)).toBeLessThan(0.01);
    expect(Math.abs(shareAt(5_000) - 0.5 / 1.5)).toBeLessThan(0.01);
    expect(Math.abs(shareAt(10_000) - 0.5)).toBeLessThan(0.01);
  });
});

describe("what each has in hand and free", () => {
  test("powerOfTwo says whom it compared: powerOfTwo: a 12 < b 40", () => {
    const balancer = createBalancer();
    balancer.update([candidate("a", { connections: 12 }), candidate("b", { connections: 40 })], 0);
    expect(balancer.pick({ chance: 0.9 })).toEqual({
      id: "a",
      why: { rule: "powerOfTwo", load: 12, weight: 1, other: { id: "b", load: 40, weight: 1 } },
    });
  });

  test("leastConnections takes the least against its weight, and hears of work that is done", () => {
    const balancer = createBalancer("leastConnections");
    balancer.update([candidate("a", { connections: 5 }), candidate("b", { connections: 8, weight: 2 })], 0);
    expect(balancer.pick({ chance: 0 })?.id).toBe("b");
    balancer.adjust("a", -3);
    expect(balancer.pick({ chance: 0 })?.id).toBe("a");
    balancer.adjust("gone", -3);
  });

  test("leastResponseTime takes the fastest for what it has in hand, and an unknown one as the mean", () => {
    const balancer = createBalancer("leastResponseTime");
    const fast = candidate("fast", { responseMs: 10, connections: 9 });
    const slow = candidate("slow", { responseMs: 30, connections: 4 });
    balancer.update([fast, slow], 0);
    expect(balancer.pick({ chance: 0.7 })?.id).toBe("fast");
    balancer.update([fast, slow, candidate("unknown", { connections: 4 })], 0);
    expect(balancer.pick({ chance: 0 })).toEqual({
      id: "fast",
      why: { rule: "leastResponseTime", responseMs: 10, load: 9, weight: 1, of: 3 },
    });
    expect(balancer.pick({ chance: 0 })).toEqual({
      id: "unknown",
      why: { rule: "leastResponseTime", responseMs: 20, load: 4, weight: 1, of: 3 },
    });
  });

  test("resourceAware gives in proportion to what is free of the scarcer resource", () => {
    const balancer = createBalancer("resourceAware");
    balancer.update(
      [
        candidate("a", { cpu: 0.2, memory: 0.9 }),
        candidate("b", { cpu: 0.7 }),
        candidate("c", { cpu: 0.4, memory: 0.1 }),
        candidate("full", { cpu: 1 }),
      ],
      0,
    );
    const [a = 0, b = 0, c = 0] = shares(tally(balancer, { count: 20_000, seed: 9 }), 20_000);
    expect([a, b, c].map((share) => Math.round(share * 10))).toEqual([1, 3, 6]);
  });

  test("roundRobin goes on after the last one when others come and go", () => {
    const balancer = createBalancer("roundRobin");
    const next = (...ids: string[]): string | undefined => {
      balancer.update(
        ids.map((id) => candidate(id)),
        0,
      );
      return balancer.pick({ chance: 0 })?.id;
    };
    expect(next("a", "b", "c")).toBe("a");
    expect(next("a", "b", "c")).toBe("b");
    expect(next("a", "c", "d")).toBe("c");
    expect(next("a", "c", "d")).toBe("d");
    expect(next("a", "c", "d")).toBe("a");
  });
});
