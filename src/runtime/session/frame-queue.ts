/**
 * Handles a connection's slower frames (SUBSCRIBE, UNSUBSCRIBE, READ) one after the other, in the order they came.
 *
 * Bounded: past a mark the socket is not read until the queue is short again. A READ waits until the socket has
 * taken most of the pages before it.
 * @module
 */
import type { Peer } from "./context.ts";

export type FrameQueueBounds = { readonly framesWaitingMax: number; readonly deliverBytesMax: number };

export class FrameQueue {
  readonly #peer: Peer;
  readonly #bounds: FrameQueueBounds;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #paused = false;
  #onDrain: (() => void)[] = [];
  #ended = false;

  constructor(peer: Peer, bounds: FrameQueueBounds) {
    this.#peer = peer;
    this.#bounds = bounds;
  }

  /** Runs `work` when everything before it is done; at once when nothing is. Nothing runs after `end`. */
  async run(work: () => Promise<void>): Promise<void> {
    const before = this.#last;
    const turn = this.#waiting === 0 ? work() : before.then(() => (this.#ended ? undefined : work()));
    this.#last = turn.catch(() => undefined);
    this.#enter();
    try {
      await turn;
    } finally {
      this.#leave();
    }
  }

  /** Resolves when the socket has room for another page. */
  async room(): Promise<void> {
    while (!this.#ended && this.#peer.bufferedBytes() >= this.#bounds.deliverBytesMax) {
      await new Promise<void>((resolve) => this.#onDrain.push(resolve));
    }
  }

  drained(): void {
    for (const resolve of this.#onDrain.splice(0)) resolve();
  }

  /** The connection is gone: what still waits is forgotten. */
  end(): void {
    this.#ended = true;
    this.drained();
  }

  #enter(): void {
    if (++this.#waiting <= this.#bounds.framesWaitingMax || this.#paused) return;
    this.#paused = true;
    this.#peer.pause();
  }

  #leave(): void {
    if (--this.#waiting > this.#bounds.framesWaitingMax / 2 || !this.#paused) return;
    this.#paused = false;
    this.#peer.resume();
  }
}
