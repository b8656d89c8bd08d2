/**
 * How long something takes lately: an average in which the past counts the less the older it is, by time and not by
 * count, so that one that is asked rarely does not keep an old answer. A sample above the average is believed at once, and
 * forgotten slowly: trouble is seen with the first slow answer. "Peak EWMA" of Finagle (com.twitter.finagle.loadbalancer).
 *
 * Pure: time arrives as `at`.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export class DecayingAverage {
  readonly #decayMs: number;
  #value: number | undefined;
  #at: EpochMs = 0;

  /** `decayMs`: after so long a sample counts 1/e. @default 10_000 */
  constructor(decayMs = 10_000) {
    this.#decayMs = decayMs;
  }

  /** Undefined: nothing was observed. */
  get value(): number | undefined {
    return this.#value;
  }

  observe(ms: number, at: EpochMs): void {
    const before = this.#value ?? 0;
    const kept = ms >= before ? 0 : Math.exp(-Math.max(0, at - this.#at) / this.#decayMs);
    this.#value = before * kept + ms * (1 - kept);
    this.#at = at;
  }
}
