/**
 * Key-value of the memory log: compare-and-set, time to live, watch.
 *
 * A value is gone for readers as soon as its time is over; watchers learn it from a sweep.
 * @module
 */
import type { Timer } from "../ports.ts";
import { keyConflict } from "./append-plan.ts";
import type { Follow, KeyValue, KeyValueChange, KeyValueEntry, LogFailure } from "./event-log.ts";
import type { MemoryState, StoredValue } from "./memory-state.ts";

export type KeyValueHost = {
  readonly state: MemoryState;
  readonly now: () => number;
  readonly after: (delayMs: number, wake: () => void) => Timer;
  readonly write: <T>(run: () => T) => Promise<T | LogFailure>;
  readonly answer: <T>(value: () => T) => Promise<T>;
};

type Watcher = { readonly prefix: string; readonly onChange: (change: KeyValueChange) => void };

export class MemoryKeyValue implements KeyValue {
  readonly #host: KeyValueHost;
  readonly #watchers = new Set<Watcher>();
  /** Durable, not yet told to watchers. */
  #changes: KeyValueChange[] = [];
  #sweep: { readonly at: number; readonly timer: Timer } | undefined;

  constructor(host: KeyValueHost) {
    this.#host = host;
    for (const { expiresAt } of host.state.values.values()) this.#armSweep(expiresAt);
  }

  get(key: string): Promise<KeyValueEntry | undefined> {
    return this.#host.answer(() => {
      const held = this.#live(key);
      return held === undefined ? undefined : { key, value: held.value, revision: held.revision };
    });
  }

  put(key: string, value: Uint8Array, options: { readonly expected?: number; readonly ttlMs?: number } = {}) {
    return this.#host.write(() => {
      const refusal = this.#check(key, options.expected);
      if (refusal !== undefined) return refusal;
      const expiresAt = options.ttlMs === undefined ? Number.POSITIVE_INFINITY : this.#host.now() + options.ttlMs;
      const revision = ++this.#host.state.revision;
      const copy = value.slice();
      this.#host.state.values.set(key, { value: copy, revision, expiresAt });
      this.#changes.push({ key, value: copy, revision });
      this.#armSweep(expiresAt);
      return { ok: true as const, revision };
    });
  }

  delete(key: string, options: { readonly expected?: number } = {}) {
    return this.#host.write(() => {
      const refusal = this.#check(key, options.expected);
      if (refusal !== undefined) return refusal;
      if (this.#live(key) !== undefined) this.#remove(key);
      return { ok: true as const };
    });
  }

  list(prefix: string, cursor: string, max: number): Promise<readonly KeyValueEntry[]> {
    return this.#host.answer(() =>
      [...this.#host.state.values.keys()]
        .filter((key) => key.startsWith(prefix) && key > cursor && this.#live(key) !== undefined)
        .sort()
        .slice(0, max)
        .map((key) => {
          const { value, revision } = this.#host.state.values.get(key) as StoredValue;
          return { key, value, revision };
        }),
    );
  }

  watch(prefix: string, onChange: (change: KeyValueChange) => void): Follow {
    const watcher = { prefix, onChange };
    this.#watchers.add(watcher);
    return { stop: () => void this.#watchers.delete(watcher) };
  }

  /** Tells watchers what has become durable. */
  publish(): void {
    const changes = this.#changes;
    this.#changes = [];
    for (const change of changes) {
      for (const { prefix, onChange } of this.#watchers) if (change.key.startsWith(prefix)) onChange(change);
    }
  }

  stop(): void {
    this.#watchers.clear();
    this.#sweep = undefined;
  }

  #live(key: string): StoredValue | undefined {
    const held = this.#host.state.values.get(key);
    return held !== undefined && held.expiresAt > this.#host.now() ? held : undefined;
  }

  #check(key: string, expected: number | undefined): LogFailure | undefined {
    const held = this.#host.state.values.get(key);
    if (held !== undefined && this.#live(key) === undefined) this.#remove(key);
    const actual = this.#live(key)?.revision ?? 0;
    return expected === undefined || expected === actual ? undefined : keyConflict(key, expected, actual);
  }

  #remove(key: string): void {
    this.#host.state.values.delete(key);
    this.#changes.push({ key, deleted: true, revision: ++this.#host.state.revision });
  }

  /** One timer, for the value that ends first. */
  #armSweep(expiresAt: number): void {
    if (expiresAt === Number.POSITIVE_INFINITY || (this.#sweep !== undefined && this.#sweep.at <= expiresAt)) return;
    this.#sweep?.timer.cancel();
    const timer = this.#host.after(Math.max(1, expiresAt - this.#host.now()), () => this.#removeExpired());
    this.#sweep = { at: expiresAt, timer };
  }

  #removeExpired(): void {
    this.#sweep = undefined;
    void this.#host.write(() => {
      const { values } = this.#host.state;
      const expired = [...values.keys()].filter((key) => this.#live(key) === undefined);
      for (const key of expired) this.#remove(key);
      for (const { expiresAt } of values.values()) this.#armSweep(expiresAt);
      return { ok: true as const };
    });
  }
}
