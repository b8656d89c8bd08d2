/**
 * A clock that moves only when told.
 * @module
 */
import type { EpochMs } from "../../src/protocol/ids.ts";
import type { Clock } from "../../src/runtime/ports.ts";

type Waiting = { readonly at: number; readonly order: number; readonly wake: () => void };

export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  #waiting: Waiting[] = [];

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }
  now(): EpochMs {
    return this.#nowMs as EpochMs;
  }
  after(delayMs: number, wake: () => void): { cancel(): void } {
    const waiting = { at: this.#nowMs + Math.max(0, delayMs), order: this.#order++, wake };
    this.#waiting.push(waiting);
    const cancel = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
    };
    return { cancel };
  }
  /** Timers that wait. */
  get pending(): number {
    return this.#waiting.length;
  }
  soon(run: () => void): void {
    this.after(0, run);
  }
  /** Wakes everything that is due within the next `ms`, in order of time. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const due = this.#waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#waiting = this.#waiting.filter((other) => other !== due);
      this.#nowMs = due.at;
      due.wake();
    }
    this.#nowMs = end;
  }
}
