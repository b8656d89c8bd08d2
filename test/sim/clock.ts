/**
 * Virtual time: a heap of events, run one by one. Between two events every microtask is drained, so that
 * whatever an event began has gone as far as it can before the next one: each `await` of production code
 * that waits for the outside is a place where another event, a crash included, may come in.
 *
 * The whole run is one synchronous call; no real timer is ever armed.
 * @module
 */
import { drainMicrotasks } from "bun:jsc";
import type { EpochMs } from "../../src/protocol/ids.ts";
import type { Clock } from "../../src/runtime/ports.ts";

export type Cancel = { cancel(): void };

/** A world has some thousand events; one with this many goes round in circles. */
const eventsMax = 1_000_000;

/** Something that can die: a gateway instance, a client instance. After its death none of its events run. */
export class SimProcess {
  readonly name: string;
  alive = true;
  /** Stands still until then: its events wait. */
  pausedUntilMs = 0;
  readonly #onDeath: (() => void)[] = [];

  constructor(name: string) {
    this.name = name;
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

type Event = {
  at: number;
  readonly order: number;
  readonly owner: SimProcess | undefined;
  run: (() => void) | undefined;
};

export class SimClock {
  /** Milliseconds since 1970, as the simulated world counts them. */
  nowMs = Date.UTC(2026, 0, 1);
  readonly startMs = this.nowMs;
  events = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  get elapsedMs(): number {
    return this.nowMs - this.startMs;
  }

  /** `owner`: the event is forgotten when that process is dead by then. */
  after(delayMs: number, run: () => void, owner?: SimProcess): Cancel {
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
      if (++this.events > eventsMax) throw new Error(`The world has not ended after ${eventsMax} events`);
      run();
      drainMicrotasks();
      return true;
    }
  }

  /** Lets everything that has begun go as far as it can without time passing. */
  settle(): void {
    drainMicrotasks();
  }

  /** Runs everything up to a moment, then stands there. */
  runUntil(untilMs: number): void {
    drainMicrotasks();
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
export function portsClock(clock: SimClock, owner?: SimProcess, skewMs: () => number = () => 0): Clock {
  return {
    now: () => Math.floor(clock.nowMs + skewMs()) as EpochMs,
    after: (delayMs, wake) => clock.after(delayMs, wake, owner),
    soon: (run) => void clock.after(0, run, owner),
  };
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
