import { describe, expect, test } from "bun:test";
import { bytesPerSeries, TieredSeries, tiers } from "../../../src/ops/telemetry/tiered-series.ts";
import type { EpochMs } from "../../../src/protocol/ids.ts";

const start = Date.UTC(2026, 0, 1) as EpochMs;
const hourMs = 3_600_000;

/** One value a second from the start on. */
function filled(seconds: number, measured: (second: number) => number): TieredSeries {
  const series = new TieredSeries();
  for (let second = 0; second < seconds; second++) series.add((start + second * 1_000) as EpochMs, measured(second));
  return series;
}

describe("TieredSeries", () => {
  const day = filled(25 * 3_600, (second) => second);
  const now = (start + 25 * hourMs - 1) as EpochMs;
  const read = (from: number, stepMs: number, to: number = now + 1) =>
    day.read({ from: from as EpochMs, to: to as EpochMs, stepMs, now });

  test("holds every second of the last ten minutes, 10 s of two hours, minutes of a day, and nothing older", () => {
    const seconds = read(now - 599_000, 1_000);
    expect([seconds.stepMs, seconds.points.length]).toEqual([1_000, 599]);
    expect(seconds.points.at(-1)).toEqual({ time: now - 999, mean: 89_999, min: 89_999, max: 89_999 });
    const tens = read(now - 2 * hourMs + 10_000, 1_000);
    expect([tens.stepMs, tens.points.length]).toEqual([10_000, 719]);
    const minutes = read(start, 1_000);
    expect([minutes.stepMs, minutes.points.length]).toEqual([60_000, 1_440]);
    expect(minutes.points[0]?.time).toBe(start + hourMs);
  });

  test("has mean, least and greatest of each coarser step", () => {
    const [minute] = read(now - 20 * hourMs, 1_000).points;
    const first = ((minute?.time ?? 0) - start) / 1_000;
    expect(minute).toEqual({ time: minute?.time ?? 0, mean: first + 29.5, min: first, max: first + 59 } as never);
  });

  test("joins steps into those that are asked for", () => {
    const { stepMs, points } = read(now - 6 * hourMs + 1, hourMs);
    expect([stepMs, points.length]).toEqual([hourMs, 6]);
    const [hour] = points;
    expect((hour?.max ?? 0) - (hour?.min ?? 0)).toBe(3_599);
  });

  test("leaves out what was not measured, also where an older turn of the ring still lies", () => {
    const series = filled(600, () => 7);
    series.add((start + 3 * hourMs) as EpochMs, 1);
    const later = (start + 3 * hourMs + 1) as EpochMs;
    const from = (later - 599_000) as EpochMs;
    expect(series.read({ from, to: later, stepMs: 1_000, now: later }).points).toEqual([
      { time: start + 3 * hourMs, mean: 1, min: 1, max: 1 } as never,
    ]);
  });

  test("takes so many bytes, whatever was measured", () => {
    expect(bytesPerSeries).toBe((600 + 720 + 1_440) * 32);
    expect(tiers.map(({ stepMs, points }) => (stepMs * points) / 60_000)).toEqual([10, 120, 1_440]);
  });
});
