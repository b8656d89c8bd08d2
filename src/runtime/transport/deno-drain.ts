/**
 * Tells when a socket's buffer is empty again, on a host that has no event for it: a socket that has been sent to is
 * looked at every turn of the event loop. The host hands bytes to the kernel within two turns; what is
 * still there after those is stuck, and is looked at every few milliseconds until it has gone.
 * @module
 */
export type Drainable = {
  bufferedBytes(): number;
  /** Was stuck, or was asked for; now it is empty. */
  drained(): void;
};
export type Drain = {
  /** It was sent to. */
  look(): void;
  /** `drained` is to be called once the buffer is empty, also when it was not stuck. */
  due(): void;
  /** Bytes have waited for the kernel since an earlier turn. */
  readonly stuck: boolean;
};

const turnsToKernel = 2;
const pollMs = 4;

export class DrainWatch {
  readonly #watched = new Set<WatchedDrain>();
  #scheduled = false;

  watch(socket: Drainable): Drain {
    return new WatchedDrain(socket, (watched) => this.#add(watched));
  }

  #add(watched: WatchedDrain): void {
    this.#watched.add(watched);
    this.#schedule(true);
  }

  #schedule(soon: boolean): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const run = (): void => {
      this.#scheduled = false;
      this.#lookAtAll();
    };
    if (soon) setImmediate(run);
    else setTimeout(run, pollMs);
  }

  #lookAtAll(): void {
    let soon = false;
    for (const watched of [...this.#watched]) {
      if (watched.turn()) {
        soon ||= !watched.stuck;
        continue;
      }
      this.#watched.delete(watched);
      watched.release();
    }
    if (this.#watched.size > 0) this.#schedule(soon);
  }
}

class WatchedDrain implements Drain {
  readonly #socket: Drainable;
  readonly #watch: (watched: WatchedDrain) => void;
  #turns = 0;
  #watching = false;
  #due = false;

  constructor(socket: Drainable, watch: (watched: WatchedDrain) => void) {
    this.#socket = socket;
    this.#watch = watch;
  }
  get stuck(): boolean {
    return this.#turns >= turnsToKernel;
  }
  look(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#watch(this);
  }
  due(): void {
    this.#due = true;
    this.look();
  }
  /** One more turn has passed; false: its buffer is empty. */
  turn(): boolean {
    this.#turns += 1;
    return this.#socket.bufferedBytes() > 0;
  }
  /** No longer looked at; whoever is told may send again at once. */
  release(): void {
    const told = this.#due || this.#turns > turnsToKernel;
    this.#turns = 0;
    this.#watching = false;
    this.#due = false;
    if (told) this.#socket.drained();
  }
}
