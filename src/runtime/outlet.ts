/**
 * What goes out over one socket: answers in their order, kept while the socket is full; deliveries behind them, which
 * their reader sends again when they were not taken.
 *
 * Owns: an answer is sent or owed, or the connection ends (`slowConsumer`).
 * @module
 */
import { OwedFrames } from "./owed-frames.ts";
import type { SendResult, Socket } from "./transport/transport.ts";

export type OutletHost = {
  /** The socket took a frame of so many bytes or characters. */
  sent(length: number): void;
  /** It is full, and `drain` will be called. */
  congested(): void;
  /** More is owed than may be. */
  overdue(): void;
};

export class Outlet {
  readonly #socket: Socket;
  readonly #host: OutletHost;
  readonly #owed: OwedFrames;

  constructor(socket: Socket, host: OutletHost, owedBytesMax: number) {
    this.#socket = socket;
    this.#host = host;
    this.#owed = new OwedFrames(owedBytesMax);
  }

  /** Nothing is owed. */
  get free(): boolean {
    return this.#owed.empty;
  }

  answer(data: Uint8Array | string): SendResult {
    const result = this.free ? this.write(data) : "dropped";
    if (result !== "dropped") return result;
    this.#host.congested();
    if (!this.#owed.add(data)) this.#host.overdue();
    return "congested";
  }

  write(data: Uint8Array | string): SendResult {
    const result = this.#socket.send(data);
    if (result === "dropped") return result;
    this.#host.sent(data.length);
    if (result === "congested") this.#host.congested();
    return result;
  }

  /** The socket takes frames again. */
  drain(): void {
    this.#owed.flush((data) => this.write(data));
  }
}
