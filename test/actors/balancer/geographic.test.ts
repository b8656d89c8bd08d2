import { describe, expect, test } from "bun:test";
import { createBalancer } from "../../../src/actors/balancer/balancer.ts";
import { distanceKm } from "../../../src/actors/balancer/geographic.ts";
import { candidate } from "./fleet-arbitraries.ts";

const berlin = { latitude: 52.52, longitude: 13.405 };
const paris = { latitude: 48.8566, longitude: 2.3522 };
const newYork = { latitude: 40.7128, longitude: -74.006 };
const tokyo = { latitude: 35.6762, longitude: 139.6503 };

describe("distanceKm()", () => {
  test("is the great circle's, to within a half of a hundredth", () => {
    expect(distanceKm(berlin, paris)).toBeWithin(874, 882);
    expect(distanceKm(paris, newYork)).toBeWithin(5_808, 5_866);
    expect(distanceKm(berlin, berlin)).toBe(0);
  });

  test("crosses the date line and the poles, and knows opposite places", () => {
    const at = (latitude: number, longitude: number) => ({ latitude, longitude });
    expect(distanceKm(at(0, 179.5), at(0, -179.5))).toBeWithin(111, 112);
    expect(distanceKm(at(89.5, 0), at(89.5, 180))).toBeWithin(111, 112);
    expect(distanceKm(at(0, 0), at(0, 180))).toBeWithin(20_015, 20_016);
  });
});

describe("geographic", () => {
  const nodes = [
    candidate("eu-1", { location: berlin, connections: 50 }),
    candidate("eu-2", { location: berlin, connections: 20 }),
    candidate("us", { location: newYork }),
    candidate("nowhere"),
  ];

  test("takes the nearest, and of those about as near the one with the least in hand", () => {
    const balancer = createBalancer("geographic");
    balancer.update(nodes, 0);
    const decision = balancer.pick({ chance: 0, location: paris });
    expect(decision).toMatchObject({ id: "eu-2", why: { rule: "geographic", near: 2, load: 20 } });
    expect(balancer.pick({ chance: 0.9, location: { latitude: 41, longitude: -80 } })?.id).toBe("us");
  });

  test("one that is nowhere comes last", () => {
    const balancer = createBalancer("geographic");
    balancer.update([candidate("nowhere"), candidate("us", { location: newYork, connections: 1_000 })], 0);
    for (const chance of [0, 0.3, 0.6, 0.99]) expect(balancer.pick({ chance, location: tokyo })?.id).toBe("us");
  });

  test("without a place to go by power of two choices stands in, and says so", () => {
    const balancer = createBalancer("geographic");
    balancer.update(nodes, 0);
    expect(balancer.pick({ chance: 0 })?.why).toMatchObject({ rule: "powerOfTwo", lacking: "location" });
    balancer.update([candidate("a"), candidate("b")], 0);
    expect(balancer.pick({ chance: 0, location: paris })?.why).toMatchObject({ lacking: "location" });
  });
});
