import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { evolveHealth, type Health, unchecked } from "../../../src/actors/balancer/active-health.ts";
import { DecayingAverage } from "../../../src/actors/balancer/decaying-average.ts";
import { Ejections } from "../../../src/actors/balancer/ejection.ts";

describe("Ejections", () => {
  const options = { failures: 3, windowMs: 1_000, ejectMs: 100, ejectMsMax: 250, shareMax: 0.5 };
  const fail = (ejections: Ejections, id: string, at: number) => ejections.failed(id, { at, of: 10 });

  test("ejects after so many failures in a row, and lets it come again when its time is over", () => {
    const ejections = new Ejections(options);
    expect([0, 1, 2].map((at) => fail(ejections, "a", at))).toEqual(["counted", "counted", "ejected"]);
    expect([2, 101, 102].map((at) => ejections.isEjected("a", at))).toEqual([true, true, false]);
    expect(ejections.isEjected("b", 2)).toBe(false);
  });

  test("a success, or a pause longer than the window, makes the next failure a first one", () => {
    const ejections = new Ejections(options);
    for (const at of [0, 1]) fail(ejections, "a", at);
    ejections.succeeded("a");
    expect([2, 3].map((at) => fail(ejections, "a", at))).toEqual(["counted", "counted"]);
    expect(fail(ejections, "a", 1_004)).toBe("counted");
    expect([1_005, 1_006].map((at) => fail(ejections, "a", at))).toEqual(["counted", "ejected"]);
  });

  test("is out longer each time in a row, up to the longest, and shorter again after a time without", () => {
    const ejections = new Ejections(options);
    const outFor = (from: number): number => {
      for (const at of [from, from, from]) fail(ejections, "a", at);
      let ms = 0;
      while (ejections.isEjected("a", from + ms)) ms++;
      return ms;
    };
    expect([outFor(0), outFor(110), outFor(320), outFor(600)]).toEqual([100, 200, 250, 250]);
    expect(outFor(5_000)).toBe(100);
  });

  test("never ejects more than its share, nor the last one, but may eject one of two", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(fc.nat(11), { maxLength: 120 }), (n, failing) => {
        const ejections = new Ejections(options);
        for (const [at, number] of failing.entries()) ejections.failed(`n${number % n}`, { at: at / 10, of: n });
        const end = failing.length / 10;
        const out = Array.from({ length: n }, (_, number) => `n${number}`).filter((id) => ejections.isEjected(id, end));
        expect(out.length).toBeLessThanOrEqual(Math.min(n - 1, Math.max(1, n / 2)));
      }),
    );
    const two = new Ejections(options);
    const failed = (id: string) => [0, 1, 2].map((at) => two.failed(id, { at, of: 2 })).at(-1);
    expect([failed("a"), failed("b")]).toEqual(["ejected", "spared"]);
  });

  test("who was spared is ejected by its next failure as soon as there is room", () => {
    const ejections = new Ejections(options);
    for (const id of ["a", "b"]) for (const at of [0, 1, 2]) ejections.failed(id, { at, of: 2 });
    expect(ejections.failed("b", { at: 50, of: 2 })).toBe("spared");
    expect(ejections.failed("b", { at: 103, of: 2 })).toBe("ejected");
  });

  test("failures: 0 ejects nobody, and retain() forgets the others", () => {
    const never = new Ejections({ ...options, failures: 0 });
    for (let at = 0; at < 100; at++) expect(never.failed("a", { at, of: 10 })).toBe("counted");
    const ejections = new Ejections(options);
    for (const at of [0, 1, 2]) fail(ejections, "a", at);
    ejections.retain(new Set(["b"]));
    expect(ejections.isEjected("a", 3)).toBe(false);
  });
});

describe("evolveHealth()", () => {
  const options = { intervalMs: 1_000, rise: 2, fall: 3 };
  const run = (oks: readonly boolean[]): string[] => {
    let health: Health = unchecked;
    return oks.map((ok, at) => {
      health = evolveHealth(health, { ok, at, chance: 0.5 }, options);
      return health.status;
    });
  };

  test("the first check decides, then it takes `fall` bad ones and `rise` good ones in a row", () => {
    const [up, down] = ["healthy", "unhealthy"];
    expect(run([true, false, false, true, false, false, false])).toEqual([up, up, up, up, up, up, down] as string[]);
    expect(run([false, true, false, true, true])).toEqual([down, down, down, down, up] as string[]);
  });

  test("the next check is due after the interval, a tenth more or less by chance", () => {
    const due = (chance: number) => evolveHealth(unchecked, { ok: true, at: 500, chance }, options).nextAt;
    expect([due(0), due(0.5), due(0.9999)]).toEqual([1_400, 1_500, 1_600]);
    expect(unchecked.nextAt).toBe(0);
  });
});

describe("DecayingAverage", () => {
  test("knows nothing at first, believes a slow answer at once and forgets it by time", () => {
    const average = new DecayingAverage(1_000);
    expect(average.value).toBeUndefined();
    average.observe(10, 0);
    average.observe(100, 1);
    expect(average.value).toBe(100);
    average.observe(10, 1_001);
    expect(average.value).toBeCloseTo(10 + 90 / Math.E, 5);
    average.observe(10, 100_000);
    expect(average.value).toBeCloseTo(10, 5);
  });

  test("stays within what was observed, also when the clock runs back", () => {
    const samples = fc.array(fc.tuple(fc.nat(1_000), fc.nat(100_000)), { minLength: 1 });
    fc.assert(
      fc.property(samples, (observed) => {
        const average = new DecayingAverage();
        for (const [ms, at] of observed) average.observe(ms, at);
        const all = observed.map(([ms]) => ms);
        expect(average.value).toBeWithin(Math.min(...all) - 1e-6, Math.max(...all) + 1e-6);
      }),
    );
  });
});
