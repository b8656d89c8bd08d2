/**
 * Key-value in its table: compare-and-set, time to live, watch.
 *
 * A value is gone for readers as soon as its time is over; watchers learn it from a sweep. Only keys that can expire
 * are held in memory. A stored value: revision, expiry (0: never), both f64, then the value.
 * @module
 */
import type { Clock, Timer } from "../../ports.ts";
import { keyConflict } from "../append-plan.ts";
import type { Follow, KeyValue, KeyValueChange, KeyValueEntry, LogFailure } from "../event-log.ts";
import { float, floats } from "./floats.ts";
import type { Group, HeldValue } from "./group.ts";
import { assertKey, type Store } from "./store.ts";

export type KeyValueParts = {
  readonly store: Store;
  readonly clock: Clock;
  readonly write: <T>(decide: (group: Group) => T) => Promise<T | LogFailure>;
  readonly read: <T>(value: () => T) => Promise<T>;
};
type Watcher = { readonly prefix: string; readonly onChange: (change: KeyValueChange) => void };
const headerBytes = 16;
/** Until the next try to remove what has expired, when the log could not be written. */
const retryMs = 1_000;

export class EmbeddedKeyValue implements KeyValue {
  readonly #parts: KeyValueParts;
  readonly #watchers = new Set<Watcher>();
  readonly #expiries = new Map<string, number>();
  #revision = 0;
  #sweep: { readonly at: number; readonly timer: Timer } | undefined;
  #stopped = false;

  constructor(parts: KeyValueParts) {
    this.#parts = parts;
  }

  /** Takes up the expiries of what is stored. */
  load(): void {
    const revision = this.#parts.store.get("meta", "revision");
    this.#revision = revision === undefined ? 0 : float(revision, 0);
    for (const { key, value } of this.#parts.store.walk("values", { start: "" })) {
      if (float(value, 1) > 0) this.#expiries.set(key as string, float(value, 1));
    }
    this.#armSweep();
  }

  get(key: string): Promise<KeyValueEntry | undefined> {
    return this.#parts.read(() => {
      const held = this.#live(this.#stored(key));
      return held && { key, value: held.value, revision: held.revision };
    });
  }

  put(key: string, value: Uint8Array, options: { readonly expected?: number; readonly ttlMs?: number } = {}) {
    const copy = value.slice();
    return this.#parts.write((group) => {
      const refusal = this.#check(group, key, options.expected);
      if (refusal !== undefined) return refusal;
      const expiresAt = options.ttlMs === undefined ? 0 : this.#parts.clock.now() + options.ttlMs;
      const revision = this.#nextRevision(group);
      group.values.set(key, { value: copy, revision, expiresAt });
      group.puts.push({ table: "values", key, value: Buffer.concat([floats(revision, expiresAt), copy]) });
      group.changes.push({ key, value: copy, revision });
      group.onDurable(() => this.#noteExpiry(key, expiresAt));
      return { ok: true as const, revision };
    });
  }

  delete(key: string, options: { readonly expected?: number } = {}) {
    return this.#parts.write((group) => {
      const refusal = this.#check(group, key, options.expected);
      if (refusal !== undefined) return refusal;
      if (this.#held(group, key) !== undefined) this.#remove(group, key);
      return { ok: true as const };
    });
  }

  list(prefix: string, cursor: string, max: number): Promise<readonly KeyValueEntry[]> {
    return this.#parts.read(() => {
      const entries: KeyValueEntry[] = [];
      for (const { key, value } of this.#parts.store.walk("values", { start: cursor > prefix ? cursor : prefix })) {
        const name = key as string;
        if (entries.length >= max || !name.startsWith(prefix)) break;
        const held = this.#live(unpack(value));
        if (name !== cursor && held !== undefined)
          entries.push({ key: name, value: held.value, revision: held.revision });
      }
      return entries;
    });
  }

  watch(prefix: string, onChange: (change: KeyValueChange) => void): Follow {
    const watcher = { prefix, onChange };
    this.#watchers.add(watcher);
    return { stop: () => void this.#watchers.delete(watcher) };
  }

  /** Tells watchers what has become durable. */
  publish(changes: readonly KeyValueChange[]): void {
    for (const change of changes) {
      for (const { prefix, onChange } of this.#watchers) if (change.key.startsWith(prefix)) onChange(change);
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#sweep?.timer.cancel();
    this.#watchers.clear();
  }

  #stored(key: string): HeldValue | undefined {
    const value = this.#parts.store.get("values", key);
    return value && unpack(value);
  }

  #held(group: Group, key: string): HeldValue | undefined {
    return group.values.has(key) ? group.values.get(key) : this.#stored(key);
  }

  #live(held: HeldValue | undefined): HeldValue | undefined {
    return held !== undefined && (held.expiresAt === 0 || held.expiresAt > this.#parts.clock.now()) ? held : undefined;
  }

  #check(group: Group, key: string, expected: number | undefined): LogFailure | undefined {
    assertKey(key);
    const held = this.#held(group, key);
    const live = this.#live(held);
    if (held !== undefined && live === undefined) this.#remove(group, key);
    const actual = live?.revision ?? 0;
    return expected === undefined || expected === actual ? undefined : keyConflict(key, expected, actual);
  }

  #remove(group: Group, key: string): void {
    group.values.set(key, undefined);
    group.puts.push({ table: "values", key });
    group.changes.push({ key, deleted: true, revision: this.#nextRevision(group) });
    group.onDurable(() => void this.#expiries.delete(key));
  }

  #nextRevision(group: Group): number {
    const revision = (group.revision ?? this.#revision) + 1;
    group.revision = revision;
    group.puts.push({ table: "meta", key: "revision", value: floats(revision) });
    group.onDurable(() => {
      this.#revision = revision;
    });
    return revision;
  }

  #noteExpiry(key: string, expiresAt: number): void {
    this.#expiries.delete(key);
    if (expiresAt === 0) return;
    this.#expiries.set(key, expiresAt);
    if (this.#sweep === undefined || expiresAt < this.#sweep.at) this.#armSweepAt(expiresAt);
  }

  #armSweep(): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (const expiresAt of this.#expiries.values()) earliest = Math.min(earliest, expiresAt);
    if (earliest < Number.POSITIVE_INFINITY) this.#armSweepAt(earliest);
  }

  #armSweepAt(at: number): void {
    if (this.#stopped) return;
    this.#sweep?.timer.cancel();
    const delayMs = Math.max(1, at - this.#parts.clock.now());
    this.#sweep = { at, timer: this.#parts.clock.after(delayMs, () => void this.#removeExpired()) };
  }

  async #removeExpired(): Promise<void> {
    this.#sweep = undefined;
    const now = this.#parts.clock.now();
    const expired = [...this.#expiries].filter(([, expiresAt]) => expiresAt <= now).map(([key]) => key);
    const failure = await this.#parts.write((group) => {
      for (const key of expired) {
        const held = this.#held(group, key);
        if (held !== undefined && this.#live(held) === undefined) this.#remove(group, key);
      }
      return undefined;
    });
    if (failure === undefined) this.#armSweep();
    else this.#armSweepAt(now + retryMs);
  }
}

function unpack(bytes: Uint8Array): HeldValue {
  return { revision: float(bytes, 0), expiresAt: float(bytes, 1), value: bytes.subarray(headerBytes) };
}
