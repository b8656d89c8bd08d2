/**
 * Decides when a silent peer is asked whether it lives (PING), when it is given up, and how long a round trip took.
 *
 * Pure: time comes in. Only a PING that stays unanswered proves anything: silence alone may be a peer with nothing to say.
 * @module
 */

import type { EpochMs } from "../protocol/ids.ts";
import type { Limits } from "../protocol/limits.ts";

export class Liveness {
  readonly #limits: Pick<Limits, "heartbeatMs" | "pongMs">;
  #heardAt: EpochMs;
  #pingedAt: EpochMs = 0;
  #pings = 0;
  /** Of the newest PING that was answered. */
  roundTripMs: number | undefined;

  constructor(limits: Pick<Limits, "heartbeatMs" | "pongMs">, now: EpochMs) {
    this.#limits = limits;
    this.#heardAt = now;
  }

  /** When the last frame came. */
  get heardAt(): EpochMs {
    return this.#heardAt;
  }

  heard(now: EpochMs): void {
    this.#heardAt = now;
  }

  answered(id: number, now: EpochMs): void {
    if (id === this.#pings) this.roundTripMs = now - this.#pingedAt;
  }

  /** Number of the PING to send now; `silent`: the last one was not answered in time. */
  check(now: EpochMs): number | "silent" | undefined {
    const { heartbeatMs, pongMs } = this.#limits;
    if (this.#pingedAt > this.#heardAt) return now - this.#pingedAt >= pongMs ? "silent" : undefined;
    if (now - this.#heardAt < heartbeatMs) return undefined;
    this.#pingedAt = now;
    return ++this.#pings;
  }
}
