/**
 * Virtual time: a heap of events, run one by one. Between two events everything that was begun goes as far as it can
 * without time passing, so that each `await` of production code that waits for the outside is a place where another
 * event may come in. Whoever owns the clock says how that is waited for: at once (`drain`), or by stepping it itself.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock } from "../../runtime/ports.ts";

export type Cancel = { cancel(): void };

/** Somebody whose events are forgotten when it is dead, and wait while it stands still. */
export type EventOwner = { readonly alive: boolean; readonly pausedUntilMs: number };

type Event = {
  at: number;
  readonly order: number;
  readonly owner: EventOwner | undefined;
  run: (() => void) | undefined;
};

export type VirtualClockOptions = {
  readonly startMs: EpochMs;
  /** A world with more events goes round in circles. */
  readonly eventsMax: number;
  /** Lets everything that has begun go as far as it can. */
  readonly drain: () => void;
};

export class VirtualClock {
  /** Milliseconds since 1970, as the simulated world counts them. */
  nowMs: number;
  readonly startMs: number;
  events = 0;
  readonly #options: VirtualClockOptions;
  readonly #heap: Event[] = [];
  #order = 0;

  constructor(options: VirtualClockOptions) {
    this.#options = options;
    this.startMs = options.startMs;
    this.nowMs = options.startMs;
  }

  get elapsedMs(): number {
    return this.nowMs - this.startMs;
  }

  after(delayMs: number, run: () => void, owner?: EventOwner): Cancel {
    const event: Event = { at: this.nowMs + Math.max(0, delayMs), order: this.#order++, owner, run };
    this.#push(event);
    return {
      cancel: () => {
        event.run = undefined;
      },
    };
  }

  /** Runs the next event. False: there is none up to `untilMs`. */
  step(untilMs = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.at > untilMs) return false;
      this.#pop();
      const run = event.run;
      if (run === undefined || event.owner?.alive === false) continue;
      if ((event.owner?.pausedUntilMs ?? 0) > event.at) {
        event.at = event.owner?.pausedUntilMs ?? 0;
        this.#push(event);
        continue;
      }
      this.nowMs = event.at;
      const { eventsMax, drain } = this.#options;
      if (++this.events > eventsMax) throw new Error(`The world has not ended after ${eventsMax} events`);
      run();
      drain();
      return true;
    }
  }

  /** Lets everything that has begun go as far as it can without time passing. */
  settle(): void {
    this.#options.drain();
  }

  /** Runs everything up to a moment, then stands there. */
  runUntil(untilMs: number): void {
    this.settle();
    while (this.step(untilMs));
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[i] = heap[parent] as Event;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const size = heap.length;
    if (size === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[i] = heap[child] as Event;
      i = child;
    }
    heap[i] = last;
  }
}

/** The clock port of a process (none: of the world itself). `skewMs`: how far its wall clock is off by now. */
export function portsClock(clock: VirtualClock, owner?: EventOwner, skewMs: () => number = () => 0): Clock {
  return {
    now: () => Math.floor(clock.nowMs + skewMs()) as EpochMs,
    after: (delayMs, wake) => clock.after(delayMs, wake, owner),
    soon: (run) => void clock.after(0, run, owner),
  };
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
