/**
 * One metric over 24 hours in bounded memory: every second for ten minutes, every 10 s for two hours, every minute for
 * a day. Each step holds mean, least and greatest.
 *
 * Pure. Owns: what is older is overwritten; a coarser step is made of the finer ones, never of less.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { MetricPoint } from "./metrics-history.ts";

export type Tier = { readonly stepMs: number; readonly points: number };

export const tiers: readonly Tier[] = [
  { stepMs: 1_000, points: 600 },
  { stepMs: 10_000, points: 720 },
  { stepMs: 60_000, points: 1_440 },
];

/** Mean, least, greatest, and the step that a place holds, each 8 bytes. */
const fieldsPerPoint = 4;
export const bytesPerSeries = tiers.reduce((bytes, { points }) => bytes + points * fieldsPerPoint * 8, 0);

type Step = { at: number; count: number; sum: number; min: number; max: number };

class Ring {
  readonly stepMs: number;
  readonly #points: number;
  /** Number of the step that a place holds, since 1970; 0: none. */
  readonly #steps: Float64Array;
  readonly #values: Float64Array;

  constructor({ stepMs, points }: Tier) {
    this.stepMs = stepMs;
    this.#points = points;
    this.#steps = new Float64Array(points);
    this.#values = new Float64Array(points * (fieldsPerPoint - 1));
  }

  put({ at, count, sum, min, max }: Step): void {
    const place = at % this.#points;
    this.#steps[place] = at;
    this.#values.set([sum / count, min, max], place * 3);
  }

  /** When the oldest step that it still holds began. */
  oldest(now: EpochMs): EpochMs {
    return ((Math.floor(now / this.stepMs) - this.#points + 1) * this.stepMs) as EpochMs;
  }

  read(from: EpochMs, to: EpochMs): MetricPoint[] {
    const first = Math.ceil(from / this.stepMs);
    const points: MetricPoint[] = [];
    for (let step = first; step * this.stepMs < to; step++) {
      const place = step % this.#points;
      if (this.#steps[place] !== step) continue;
      const [mean, min, max] = this.#values.subarray(place * 3, place * 3 + 3) as unknown as [number, number, number];
      points.push({ time: (step * this.stepMs) as EpochMs, mean, min, max });
    }
    return points;
  }
}

export class TieredSeries {
  readonly #rings = tiers.map((tier) => new Ring(tier));
  /** The step of each tier that is not over yet. */
  readonly #open: (Step | undefined)[] = tiers.map(() => undefined);

  /** One value of each second; of several in one second the last stands, and time does not run back. */
  add(time: EpochMs, value: number): void {
    const [finest] = this.#rings;
    finest?.put({ at: Math.floor(time / finest.stepMs), count: 1, sum: value, min: value, max: value });
    for (const [tier, ring] of this.#rings.entries()) if (tier > 0) this.#gather(tier, ring, { time, value });
  }

  #gather(tier: number, ring: Ring, { time, value }: { time: EpochMs; value: number }): void {
    const at = Math.floor(time / ring.stepMs);
    let step = this.#open[tier];
    if (step === undefined || step.at !== at) {
      step = { at, count: 0, sum: 0, min: value, max: value };
      this.#open[tier] = step;
    }
    step.count++;
    step.sum += value;
    step.min = Math.min(step.min, value);
    step.max = Math.max(step.max, value);
    ring.put(step);
  }

  /** In steps of `stepMs` or the next coarser ones that are held and reach back to `from`. */
  read(range: { readonly from: EpochMs; readonly to: EpochMs; readonly stepMs: number; readonly now: EpochMs }) {
    const { from, to, stepMs, now } = range;
    const last = this.#rings[this.#rings.length - 1] as Ring;
    const fitting = this.#rings.filter((ring) => ring.stepMs <= stepMs);
    const ring =
      fitting.findLast((one) => one.oldest(now) <= from) ?? this.#rings.find((one) => one.oldest(now) <= from) ?? last;
    const wanted = Math.max(ring.stepMs, Math.round(stepMs / ring.stepMs) * ring.stepMs);
    const oldest = Math.max(from, ring.oldest(now)) as EpochMs;
    return { stepMs: wanted, points: merged(ring.read(oldest, to), wanted, ring.stepMs) };
  }
}

/** Several steps as one: the mean of means, the least of the least. */
function merged(points: readonly MetricPoint[], stepMs: number, ownMs: number): readonly MetricPoint[] {
  if (stepMs === ownMs) return points;
  const steps = new Map<number, Step>();
  for (const { time, mean, min, max } of points) {
    const at = Math.floor(time / stepMs);
    const step = steps.get(at);
    if (step === undefined) steps.set(at, { at, count: 1, sum: mean, min, max });
    else {
      step.count++;
      step.sum += mean;
      step.min = Math.min(step.min, min);
      step.max = Math.max(step.max, max);
    }
  }
  return Array.from(steps.values(), ({ at, count, sum, min, max }) => ({
    time: (at * stepMs) as EpochMs,
    mean: sum / count,
    min,
    max,
  }));
}
