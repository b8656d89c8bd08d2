/**
 * Keeps the bytes that wait for the log bounded, over all connections: past the upper mark whoever publishes is
 * no longer read from (its peer feels it through TCP), below the lower mark all are read again.
 * @module
 */
import type { EpochMs } from "../protocol/ids.ts";

export type Pausable = { pause(): void; resume(): void };

export class Inflow {
  bytesMax: number;
  readonly #paused = new Set<Pausable>();
  bytes = 0;
  /** When the log last refused publishes; long ago at first. */
  refusedAt: EpochMs = Number.NEGATIVE_INFINITY;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get pausedCount(): number {
    return this.#paused.size;
  }

  enter(bytes: number, from: Pausable): void {
    this.bytes += bytes;
    if (this.bytes < this.bytesMax || this.#paused.has(from)) return;
    this.#paused.add(from);
    from.pause();
  }

  leave(bytes: number): void {
    this.bytes -= bytes;
    if (this.#paused.size === 0 || this.bytes > this.bytesMax / 2) return;
    const waiting = [...this.#paused];
    this.#paused.clear();
    for (const peer of waiting) peer.resume();
  }

  /** The connection is gone. */
  forget(peer: Pausable): void {
    this.#paused.delete(peer);
  }
}
