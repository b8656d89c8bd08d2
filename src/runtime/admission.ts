/**
 * Decides how many handshakes a node takes up in a second. Who comes beyond that is told when to come: each a
 * moment of its own, as far apart as the rate is, so that a crowd that comes together comes back spread out.
 *
 * Pure: time comes in. Owns: never more than `burst` and the rate let in; nobody is sent away for longer than
 * `awayMsMax`.
 * @module
 */
import type { EpochMs } from "../protocol/ids.ts";

export type AdmissionRate = {
  readonly perSecond: number;
  /** Let in at once after a quiet time. */
  readonly burst: number;
};

const awayMsMax = 30_000;

export class Admission {
  rate: AdmissionRate;
  #tokens: number;
  #at: EpochMs;
  /** The last moment that was given away. */
  #promisedAt: EpochMs = 0;

  constructor(rate: AdmissionRate, now: EpochMs) {
    this.rate = rate;
    this.#tokens = rate.burst;
    this.#at = now;
  }

  /** 0: it may come in. Else it is to come again after so many milliseconds. `inSlot`: it was planned, and counts. */
  ask(now: EpochMs, inSlot = false): number {
    this.#refill(now);
    if (this.#tokens >= 1 || inSlot) {
      this.#tokens = Math.max(0, this.#tokens - 1);
      return 0;
    }
    const gapMs = 1_000 / this.rate.perSecond;
    this.#promisedAt = Math.max(this.#promisedAt, now) + gapMs;
    if (this.#promisedAt - now > awayMsMax) this.#promisedAt = now + gapMs; // The line begins again.
    return Math.ceil(this.#promisedAt - now);
  }

  #refill(now: EpochMs): void {
    const { perSecond, burst } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, now - this.#at) * perSecond) / 1_000);
    this.#at = now;
  }
}
