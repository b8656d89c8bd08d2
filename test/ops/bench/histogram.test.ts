/**
 * Quantiles against sorted values.
 * @module
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Histogram } from "../../../src/ops/bench/histogram.ts";

test("Histogram.quantileMs() is within 2 % above the true quantile, for any durations", () => {
  const duration = fc.double({ min: 0.002, max: 1_000_000, noNaN: true });
  const ratio = fc.constantFrom(0, 0.5, 0.99, 0.999, 1);
  fc.assert(
    fc.property(fc.array(duration, { minLength: 1, maxLength: 200 }), ratio, (durations, at) => {
      const histogram = new Histogram();
      for (const ms of durations) histogram.add(ms);
      const sorted = durations.toSorted((a, b) => a - b);
      const truth = sorted[Math.max(0, Math.ceil(at * sorted.length) - 1)] as number;
      expect(histogram.count).toBe(durations.length);
      expect(histogram.quantileMs(at)).toBeGreaterThanOrEqual(truth * 0.9999);
      expect(histogram.quantileMs(at)).toBeLessThanOrEqual(truth * 1.0201);
    }),
  );
});

test("Histogram.quantileMs() is 0 when nothing was added", () => {
  expect(new Histogram().quantileMs(0.5)).toBe(0);
});
