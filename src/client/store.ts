/**
 * What a client keeps over a restart: its session and its secret, publishes that are not settled, positions that
 * it has processed. A store is a small key-value map; the writer commits what has gathered in one go.
 *
 * Owns: writes reach the store in the order of the calls, one batch at a time.
 * @module
 */
import type { ClientClock } from "./ports.ts";

/** Anything that the structured clone algorithm copies; the SDK stores plain objects, strings, numbers and Uint8Arrays. */
export type StoredValue = unknown;
export type StoreChange = { readonly key: string; readonly value: StoredValue | undefined };

/**
 * One client at a time may use a store: it holds a session, and a session belongs to one connection.
 * Implement it over your own database to keep positions beside your data.
 */
export type ClientStore = {
  /** All entries. Called once, before anything is written. */
  load(): Promise<ReadonlyMap<string, StoredValue>>;
  /** All or nothing, and durable when it resolves. A change whose value is `undefined` deletes. */
  write(changes: readonly StoreChange[]): Promise<void>;
  close(): Promise<void>;
};

const retryMs = 1_000;

/** Gathers changes while a write is under way; the newest value of a key wins. */
export class StoreWriter {
  readonly #store: ClientStore;
  readonly #clock: ClientClock;
  readonly #onFailure: (error: unknown) => void;
  #pending = new Map<string, StoredValue | undefined>();
  #waiting: (() => void)[] = [];
  #busy = false;

  constructor(store: ClientStore, clock: ClientClock, onFailure: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  put(key: string, value: StoredValue | undefined): void {
    this.#pending.set(key, value);
    if (this.#busy) return;
    this.#busy = true;
    this.#clock.soon(() => void this.#drain());
  }

  /** Calls back when everything put so far is durable. In the order of the calls. */
  whenDurable(run: () => void): void {
    if (this.#pending.size === 0 && !this.#busy) return run();
    this.#waiting.push(run);
  }

  /** Resolves when nothing is left to write, also of what was put meanwhile. */
  async flush(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve) => this.whenDurable(resolve));
  }

  async #drain(): Promise<void> {
    while (this.#pending.size > 0 || this.#waiting.length > 0) {
      const changes = [...this.#pending].map(([key, value]) => ({ key, value }));
      const waiting = this.#waiting;
      this.#pending = new Map();
      this.#waiting = [];
      if (changes.length > 0) await this.#write(changes);
      for (const run of waiting) run();
    }
    this.#busy = false;
  }

  async #write(changes: readonly StoreChange[]): Promise<void> {
    for (;;) {
      try {
        return await this.#store.write(changes);
      } catch (error) {
        this.#onFailure(error);
        await new Promise<void>((resolve) => this.#clock.after(retryMs, resolve));
      }
    }
  }
}

/** A store that hangs does not keep a client open: resolves after `boundMs` at the latest. */
export function within(boundMs: number, clock: ClientClock, work: Promise<void> | undefined): Promise<void> {
  if (work === undefined) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = clock.after(boundMs, resolve);
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
