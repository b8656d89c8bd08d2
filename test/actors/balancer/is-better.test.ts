/**
 * When a client is worth sending elsewhere.
 */
import { describe, expect, test } from "bun:test";
import { type Algorithm, createBalancer } from "../../../src/actors/balancer/balancer.ts";
import type { Candidate } from "../../../src/actors/balancer/candidate.ts";
import { candidate } from "./fleet-arbitraries.ts";

const margin = 1.5;

/** Whether what is decided beats "here". */
function leaves(algorithm: Algorithm, candidates: readonly Candidate[], ask: { key?: string; chance?: number } = {}) {
  const balancer = createBalancer(algorithm);
  balancer.update(candidates, 0);
  const decision = balancer.pick({ chance: 0, ...ask });
  return decision !== undefined && balancer.isBetter(decision, "here", { margin });
}

describe("isBetter()", () => {
  const rules: readonly Algorithm[] = ["powerOfTwo", "leastConnections"];
  for (const algorithm of rules) {
    test(`${algorithm} compares what is in hand, with the one that comes, and leaves only past the margin`, () => {
      const beside = (connections: number) => [
        candidate("here", { connections }),
        candidate("there", { connections: 10 }),
      ];
      expect([10, 17, 18, 100].map((connections) => leaves(algorithm, beside(connections)))).toEqual([
        ...[false, false, true, true],
      ]);
    });
  }

  test("leastResponseTime compares times, resourceAware what is free", () => {
    const times = (ms: number) => [candidate("here", { responseMs: ms }), candidate("there", { responseMs: 10 })];
    expect([15, 29, 31].map((ms) => leaves("leastResponseTime", times(ms)))).toEqual([false, false, true]);
    const busy = (cpu: number) => [candidate("here", { cpu }), candidate("there")];
    expect([0.3, 0.4].map((cpu) => leaves("resourceAware", busy(cpu), { chance: 0.9 }))).toEqual([false, true]);
  });

  test("geographic leaves for one that is nearer by more than nearKm, or about as near with less in hand", () => {
    const at = (longitude: number) => ({ latitude: 0, longitude });
    const leavesFor = (here: Partial<Candidate>): boolean => {
      const balancer = createBalancer("geographic");
      balancer.update([candidate("here", here), candidate("there", { location: at(0), connections: 3 })], 0);
      const decision = balancer.pick({ chance: 0, location: at(0) });
      return decision !== undefined && balancer.isBetter(decision, "here", { margin, location: at(0) });
    };
    expect(leavesFor({ location: at(1) })).toBe(true);
    expect(leavesFor({ location: at(0.2) })).toBe(false);
    expect(leavesFor({ location: at(0.2), connections: 100 })).toBe(true);
    expect(leavesFor({})).toBe(true);
  });

  test("rules that compare nothing leave for whoever is next, and a key for its own place", () => {
    const two = [candidate("here"), candidate("there")];
    const balancer = createBalancer("roundRobin");
    balancer.update(two, 0);
    const better = (): boolean => {
      const decision = balancer.pick({ chance: 0 });
      return decision !== undefined && balancer.isBetter(decision, "here", { margin });
    };
    expect([better(), better(), better()]).toEqual([false, true, false]);
    const keys = Array.from({ length: 50 }, (_, number) => `k${number}`);
    const moved = keys.filter((key) => leaves("hash", two, { key }));
    expect(moved.length).toBeWithin(10, 41);
  });

  test("anybody is better than one that cannot be chosen, and nobody is better than itself", () => {
    expect(
      leaves("powerOfTwo", [candidate("here", { healthy: false }), candidate("there", { connections: 900 })]),
    ).toBe(true);
    expect(leaves("powerOfTwo", [candidate("here"), candidate("there", { healthy: false })])).toBe(false);
  });
});
