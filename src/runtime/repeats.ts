/**
 * What a node does again and again, until it stops.
 * @module
 */
import type { Clock, Timer } from "./ports.ts";

export class Repeats {
  readonly #clock: Clock;
  readonly #timers = new Map<number, Timer>();
  #count = 0;
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next time is counted from the end of the one before. */
  every(ms: number, run: () => void): void {
    const number = ++this.#count;
    const arm = (): void => {
      const timer = this.#clock.after(ms, () => {
        run();
        if (!this.#stopped) arm();
      });
      this.#timers.set(number, timer);
    };
    arm();
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
  }
}
