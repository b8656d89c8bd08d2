/**
 * What the node counted in the last minute, second by second: for rates, percentiles and alerts.
 * @module
 */
import type { Inspector, Totals } from "../../runtime/inspection.ts";
import type { Clock, Timer } from "../../runtime/ports.ts";

export type Sample = {
  readonly at: number;
  readonly totals: Totals;
  readonly behind: number;
  readonly attached: number;
};
export type Percentiles = {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly count: number;
};
type Measured = "appends" | "messages";
type Counted = Exclude<keyof Totals, Measured>;

const everyMs = 1_000;
const keptMax = 61;

export class Samples {
  readonly #inspector: Inspector;
  readonly #clock: Clock;
  readonly #kept: Sample[] = [];
  readonly #listeners: (() => void)[] = [];
  #timer: Timer | undefined;

  constructor(inspector: Inspector, clock: Clock) {
    this.#inspector = inspector;
    this.#clock = clock;
    this.#take();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** Called after each sample. */
  onSample(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Oldest first, of the last `seconds`. */
  last(seconds: number): readonly Sample[] {
    return this.#kept.slice(-(seconds + 1));
  }

  grown(name: Counted, seconds: number): number {
    const [first, last] = this.#ends(seconds);
    return last.totals[name] - first.totals[name];
  }

  perSecond(name: Counted, seconds = 10): number {
    const [first, last] = this.#ends(seconds);
    const elapsedMs = last.at - first.at;
    return elapsedMs === 0 ? 0 : ((last.totals[name] - first.totals[name]) * 1_000) / elapsedMs;
  }

  /** Of appends to the log, or of records on their way through this node; each is the upper bound of its bucket. */
  latency(of: Measured, seconds = 60): Percentiles {
    const [first, last] = this.#ends(seconds);
    const { boundsMs, buckets } = last.totals[of];
    const grown = buckets.map((count, index) => count - (first.totals[of].buckets[index] ?? 0));
    const count = last.totals[of].count - first.totals[of].count;
    const at = (share: number): number => {
      let below = 0;
      for (const [index, bound] of boundsMs.entries()) {
        below += grown[index] ?? 0;
        if (count > 0 && below >= share * count) return bound;
      }
      return count === 0 ? 0 : (boundsMs[boundsMs.length - 1] ?? 0);
    };
    return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), count };
  }

  #ends(seconds: number): readonly [Sample, Sample] {
    const last = this.#kept[this.#kept.length - 1] as Sample;
    return [this.#kept[Math.max(0, this.#kept.length - 1 - seconds)] as Sample, last];
  }

  #take(): void {
    const { subscriptionsBehind: behind, sessionsAttached: attached } = this.#inspector.node();
    this.#kept.push({ at: this.#clock.now(), totals: this.#inspector.totals(), behind, attached });
    if (this.#kept.length > keptMax) this.#kept.shift();
    for (const listener of this.#listeners) listener();
    this.#timer = this.#clock.after(everyMs, () => this.#take());
  }
}
