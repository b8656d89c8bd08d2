/**
 * Notices that a receiver has stopped acknowledging: nothing for the ack wait, which doubles with each try without
 * progress, with jitter, up to a bound.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { lanes } from "../../protocol/lane.ts";
import type { Limits } from "../../protocol/limits.ts";
import type { Delivery } from "../delivery.ts";

/** Share of the wait that chance takes or adds. */
const jitterRatio = 0.1;

export class AckWatch {
  readonly #ackWaitMs: number;
  readonly #limits: Limits;
  #progress: Seq = -1;
  #dueAt: EpochMs = 0;
  /** Deliveries again since the last progress. */
  tries = 0;

  constructor(ackWaitMs: number, limits: Limits) {
    this.#ackWaitMs = ackWaitMs;
    this.#limits = limits;
  }

  /** Is it time to deliver again? `chance` answers uniformly in [0, 1). */
  due(delivery: Delivery, now: EpochMs, chance: () => number): boolean {
    if (!delivery.waiting) {
      this.#progress = -1;
      this.tries = 0;
      return false;
    }
    let progress = 0;
    for (const lane of lanes) progress += delivery.acked(lane);
    if (progress !== this.#progress) {
      this.#progress = progress;
      this.tries = 0;
      this.#dueAt = now + this.#waitMs(chance);
      return false;
    }
    if (now < this.#dueAt) return false;
    this.tries++;
    this.#dueAt = now + this.#waitMs(chance);
    return true;
  }

  #waitMs(chance: () => number): number {
    const wait = Math.min(
      this.#ackWaitMs * 2 ** Math.min(this.tries, 20),
      Math.max(this.#ackWaitMs, this.#limits.ackWaitBackoffMs),
    );
    return wait * (1 + (chance() * 2 - 1) * jitterRatio);
  }
}
