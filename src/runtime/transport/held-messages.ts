/**
 * Pauses a socket on a host that cannot stop reading it (uWebSockets.js, Deno): messages are kept, in order, and
 * handed over after `resume`. Past their bound the socket has to end; the peer does not feel it before.
 * @module
 */
export type HeldMessagesOptions = {
  readonly bytesMax: number;
  deliver(data: Uint8Array | string): void;
  overflow(): void;
};

export class HeldMessages {
  readonly #options: HeldMessagesOptions;
  #messages: (Uint8Array | string)[] = [];
  #bytes = 0;
  #paused = false;
  #ended = false;

  constructor(options: HeldMessagesOptions) {
    this.#options = options;
  }

  receive(data: Uint8Array | string): void {
    if (this.#ended) return;
    if (!this.#paused && this.#messages.length === 0) return this.#options.deliver(data);
    this.#messages.push(data);
    this.#bytes += data.length;
    if (this.#bytes <= this.#options.bytesMax) return;
    this.end();
    this.#options.overflow();
  }

  pause(): void {
    this.#paused = true;
  }

  /** As on a host that reads again: nothing arrives inside of this call. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#messages.length > 0) setImmediate(() => this.#release());
  }

  /** The socket is gone, or closing: what is held is lost with it. */
  end(): void {
    this.#ended = true;
    this.#messages = [];
    this.#bytes = 0;
  }

  #release(): void {
    let taken = 0;
    for (const data of this.#messages) {
      if (this.#paused || this.#ended) break;
      taken += 1;
      this.#bytes -= data.length;
      this.#options.deliver(data);
    }
    if (!this.#ended) this.#messages.splice(0, taken);
  }
}
