import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type DrainTarget, planWave } from "../../../src/runtime/cluster/drain-plan.ts";

const target = (node: string, change: Partial<DrainTarget> = {}): DrainTarget => ({
  ...{ node, url: `ws://${node}/`, weight: 1, connections: 0 },
  ...change,
});
const names = (count: number) => Array.from({ length: count }, (_, i) => `c${i}`);
const bounds = { perSecondMax: 10, waveMs: 1_000 };
const counts = (moves: readonly { readonly node: string }[]) =>
  Object.fromEntries([...Map.groupBy(moves, ({ node }) => node)].map(([node, all]) => [node, all.length]));

describe("planWave()", () => {
  test("gives each client of a target a slot of its own, as far apart as the rate is", () => {
    const moves = planWave(names(3), [target("a")], bounds);
    expect(moves.map(({ client, slotMs }) => [client, slotMs])).toEqual([
      ["c0", 0],
      ["c1", 100],
      ["c2", 200],
    ]);
  });

  test("sends more clients where there are fewer, and by weight", () => {
    const even = planWave(names(10), [target("a", { connections: 6 }), target("b")], bounds);
    expect(counts(even)).toEqual({ a: 2, b: 8 });
    const weighted = planWave(names(12), [target("a", { weight: 3 }), target("b")], { ...bounds, perSecondMax: 100 });
    expect(counts(weighted)).toEqual({ a: 9, b: 3 });
  });

  test("leaves for the next wave whom no target has a slot for", () => {
    expect(counts(planWave(names(50), [target("a"), target("b")], bounds))).toEqual({ a: 10, b: 10 });
  });

  test("sends nobody to a target of weight 0, and nobody at all without a target", () => {
    expect(counts(planWave(names(5), [target("a", { weight: 0 }), target("b")], bounds))).toEqual({ b: 5 });
    expect(planWave(names(5), [], bounds)).toEqual([]);
  });

  test("over any waves, no target is sent more in any second than the rate, and every client is sent once", () => {
    const targets = fc
      .array(fc.record({ weight: fc.integer({ min: 1, max: 5 }), connections: fc.nat(1_000) }), {
        minLength: 1,
        maxLength: 5,
      })
      .map((list) => list.map((each, i) => target(`n${i}`, each)));
    const load = fc.record({ clients: fc.nat(300), perSecondMax: fc.integer({ min: 1, max: 120 }), targets });
    fc.assert(
      fc.property(load, ({ clients, perSecondMax, targets }) => {
        let left = names(clients);
        const arrivals = new Map<string, number[]>();
        const sent: string[] = [];
        for (let wave = 0; left.length > 0; wave++) {
          const moves = planWave(left, targets, { perSecondMax, waveMs: 1_000 });
          expect(moves.length).toBeGreaterThan(0);
          for (const { client, node, slotMs } of moves) {
            sent.push(client);
            arrivals.set(node, [...(arrivals.get(node) ?? []), wave * 1_000 + slotMs]);
          }
          left = left.slice(moves.length);
        }
        expect(sent).toEqual(names(clients));
        for (const at of arrivals.values())
          for (const from of at)
            expect(at.filter((one) => one >= from && one < from + 1_000).length).toBeLessThanOrEqual(perSecondMax);
      }),
      { numRuns: 100 },
    );
  });
});
