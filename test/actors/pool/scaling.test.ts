import { expect, test } from "bun:test";
import fc from "fast-check";
import { type PoolLoad, Scaling, wantedMembers } from "../../../src/actors/pool/scaling.ts";
import { type PoolScaling, scalingDefaults } from "../../../src/actors/pool/settings.ts";

const settings: PoolScaling = { ...scalingDefaults, min: 1, max: 20, capacity: 10, targetRatio: 0.5 };
const load = (members: number, inFlight: number, depth = 0, waitMs = 0): PoolLoad => ({
  ...{ members, capacity: members * 10, inFlight, depth, waitMs },
});

test("wantedMembers() follows what is given out and what waits, against what members take", () => {
  expect(wantedMembers(load(2, 10), settings).members).toBe(2);
  expect(wantedMembers(load(2, 11), settings).members).toBe(3);
  expect(wantedMembers(load(2, 20, 30), settings).members).toBe(10);
  expect(wantedMembers(load(0, 0, 7), settings).members).toBe(2);
});

test("wantedMembers() stays between min and max", () => {
  expect(wantedMembers(load(1, 0), settings).members).toBe(1);
  expect(wantedMembers(load(5, 50, 100_000), settings).members).toBe(20);
});

test("wantedMembers() asks for half as many more when work waits too long, and says so", () => {
  const { members, why } = wantedMembers(load(4, 4, 1, 1_500), settings);
  expect(members).toBe(6);
  expect(why).toBe("work waits 1500 ms, at most 1000 should");
});

test("Scaling answers a step of load in its first look after it, and goes back after the cool-down", () => {
  const scaling = new Scaling(settings, 1);
  const changes: [number, number][] = [];
  for (let at = 0; at <= 120_000; at += 250) {
    const demand = at >= 10_000 && at < 40_000 ? 50 : 1;
    const changed = scaling.decide(
      load(scaling.wanted, Math.min(demand, scaling.wanted * 10), Math.max(0, demand - scaling.wanted * 10)),
      at,
    );
    if (changed !== undefined) changes.push([at, changed.to]);
  }
  expect(changes[0]).toEqual([10_000, 10]);
  expect(changes.length).toBe(2);
  const [, down] = changes;
  expect(down?.[1]).toBe(1);
  expect(down?.[0]).toBeGreaterThanOrEqual(40_000 + settings.downCoolDownMs);
  expect(down?.[0]).toBeLessThanOrEqual(40_000 + settings.downCoolDownMs * 1.25);
});

test("Scaling does not flap, however the load shakes around a border: it never goes down within a cool-down of going up", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 200, maxLength: 600 }), (demands) => {
      const scaling = new Scaling(settings, 1);
      let upAt = Number.NEGATIVE_INFINITY;
      let changes = 0;
      for (const [index, demand] of demands.entries()) {
        const at = index * 250;
        const before = scaling.wanted;
        const inFlight = Math.min(demand, before * 10);
        const changed = scaling.decide(load(before, inFlight, demand - inFlight), at);
        if (changed === undefined) continue;
        changes++;
        if (changed.to > before) upAt = at;
        else expect(at - upAt).toBeGreaterThanOrEqual(settings.downCoolDownMs);
      }
      // At most one way down for each cool-down, and no more ways up than there is room between two of them.
      const downs = Math.ceil((demands.length * 250) / settings.downCoolDownMs);
      expect(changes).toBeLessThanOrEqual(downs + (downs + 1) * settings.max);
    }),
    { numRuns: 50 },
  );
});

test("Scaling under a load that shakes all the time settles at what its peaks need", () => {
  const scaling = new Scaling(settings, 1);
  const changes: number[] = [];
  for (let at = 0; at < 600_000; at += 250) {
    const demand = (at / 250) % 2 === 0 ? 49 : 21;
    const changed = scaling.decide(load(scaling.wanted, Math.min(demand, scaling.wanted * 10)), at);
    if (changed !== undefined) changes.push(changed.to);
  }
  expect(changes.length).toBeLessThanOrEqual(5);
  expect(changes.at(-1)).toBe(10);
});
