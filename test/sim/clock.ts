/**
 * Virtual time of the simulator, and who lives in it. Between two events every microtask is drained: a crash may come in
 * at each `await` of production code that waits for the outside.
 *
 * The whole run is one synchronous call; no real timer is ever armed.
 * @module
 */
import { drainMicrotasks } from "bun:jsc";
import { VirtualClock } from "../../src/ops/replay/virtual-clock.ts";

export { type Cancel, portsClock } from "../../src/ops/replay/virtual-clock.ts";

/** A world has some thousand events; one with this many goes round in circles. */
const eventsMax = 1_000_000;
/** A lease is held for 15 s, renewed every 4 s, and one renewal may be lost. */
const noticedMs = 7_000;

export class SimClock extends VirtualClock {
  constructor() {
    super({ startMs: Date.UTC(2026, 0, 1), eventsMax, drain: drainMicrotasks });
  }
}

/** Something that can die: a gateway instance, a client instance. After its death none of its events run. */
export class SimProcess {
  readonly name: string;
  alive = true;
  /** Stands still until then: its events wait. */
  pausedUntilMs = 0;
  /** End of the newest pause that was so long that other gateways may have taken it for dead; 0: none. */
  presumedDeadMs = 0;
  #pausedMs = 0;
  readonly #onDeath: (() => void)[] = [];

  constructor(name: string) {
    this.name = name;
  }

  standStill(fromMs: number, forMs: number): void {
    if (this.pausedUntilMs <= fromMs) this.#pausedMs = fromMs;
    this.pausedUntilMs = Math.max(this.pausedUntilMs, fromMs + forMs);
    if (this.pausedUntilMs - this.#pausedMs > noticedMs) this.presumedDeadMs = this.pausedUntilMs;
  }

  onDeath(run: () => void): void {
    this.#onDeath.push(run);
  }

  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    for (const run of this.#onDeath.splice(0)) run();
  }

  /** A promise that is never settled once the process is dead: what a dead process awaits does not come back. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.alive && resolve(value),
        (error: unknown) => this.alive && reject(error as Error),
      );
    });
  }
}
