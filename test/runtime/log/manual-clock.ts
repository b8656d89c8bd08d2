/**
 * A clock that a test moves. Only `soon` is real: it lets the work that waits go on.
 * @module
 */
import type { Clock, Timer } from "../../../src/runtime/ports.ts";

type Waiting = { readonly at: number; readonly wake: () => void };

export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, wake: () => void): Timer {
    const waiting = { at: this.#now + delayMs, wake };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  /** Wakes what is due on the way, in order of time. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = [...this.#waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#waiting.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = until;
  }
}
