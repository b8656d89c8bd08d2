/**
 * What the harness asks of a load generator process, and what every load has at hand.
 * @module
 */
import type { Dialect, DialectName } from "../dialects/dialect.ts";

export const loadNames = ["throughput", "fanout", "idle", "latency", "return", "soak"] as const;
export type LoadName = (typeof loadNames)[number];

export type LoadJob = {
  readonly load: LoadName;
  readonly dialect: DialectName;
  readonly port: number;
  readonly serverPid: number;
  /** Of the processes that store for the server, where those are others. */
  readonly storePids?: readonly number[];
  readonly seconds: number;
  readonly qos: 0 | 1 | 2;
  /** Of the load: batch, subscribers … */
  readonly numbers: Readonly<Record<string, number>>;
};

export type Measures = Readonly<Record<string, number>>;

export class LoadRun {
  readonly job: LoadJob;
  #dialect: Dialect | undefined;
  #onProgress: () => void = () => {};
  #waiting = false;

  constructor(job: LoadJob) {
    this.job = job;
  }

  /** The dialect tells this of every chunk that it has worked through. */
  readonly progressed = (): void => {
    if (this.#waiting) return;
    this.#waiting = true;
    queueMicrotask(() => {
      this.#waiting = false;
      this.#onProgress();
    });
  };

  get dialect(): Dialect {
    if (this.#dialect === undefined) throw new Error("No dialect was opened");
    return this.#dialect;
  }

  set dialect(dialect: Dialect) {
    this.#dialect = dialect;
  }

  /** Calls back once after the work of a tick that moved something. */
  onProgress(callback: () => void): void {
    this.#onProgress = callback;
  }

  number(name: string): number {
    const value = this.job.numbers[name];
    if (value === undefined) throw new Error(`Load ${this.job.load} needs the number ${name}`);
    return value;
  }
}

/** Runs `count` starts, at most `atOnce` of them unfinished. */
export async function inGroups<T>(count: number, atOnce: number, start: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let first = 0; first < count; first += atOnce) {
    const group = Array.from({ length: Math.min(atOnce, count - first) }, (_, i) => start(first + i));
    results.push(...(await Promise.all(group)));
  }
  return results;
}

/** Resolves true as soon as the condition holds, false when the time is up. */
export async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(20);
  }
  return true;
}

/** Judges one subscriber's records of one topic, which are numbered 0, 1, 2 … */
export class SequenceCheck {
  /** Next number that has not been seen. */
  next = 0;
  copies = 0;
  lost = 0;

  take(index: number): void {
    if (index === this.next) this.next += 1;
    else if (index < this.next) this.copies += 1;
    else {
      this.lost += index - this.next;
      this.next = index + 1;
    }
  }

  get received(): number {
    return this.next - this.lost;
  }
}
