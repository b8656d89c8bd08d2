/**
 * Counts the time for which this node heard the bus: its own beats come back to it. Silence of the others counts only
 * then: a node whose bus is away, or that stood still itself, is deaf, and knows nothing of them.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export class Hearing {
  readonly #stepMsMax: number;
  #lastAt: EpochMs | undefined;
  /** Heard so far. */
  ms = 0;

  /** `beatMs`: between two own beats. */
  constructor(beatMs: number) {
    this.#stepMsMax = 1.5 * beatMs;
  }

  /** An own beat came back. */
  echoed(now: EpochMs): void {
    // The wall clock may have been set, and a process that stood still goes on as if nothing had happened.
    if (this.#lastAt !== undefined) this.ms += Math.min(Math.max(0, now - this.#lastAt), this.#stepMsMax);
    this.#lastAt = now;
  }
}
