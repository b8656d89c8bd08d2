/**
 * Reads a byte socket in steps: what came and was not taken is held (bounded), and whoever waits is told of the next bytes
 * or of the end. For the time before two sockets are joined, and for HTTP, whose heads are read and whose bodies are counted.
 * @module
 */
import type { Clock } from "../../runtime/ports.ts";
import type { BalanceLimits } from "./balance-limits.ts";
import { asBuffer } from "./byte-buffer.ts";
import type { ByteSocket, ByteSocketHandler } from "./byte-socket.ts";

/** late: not in time · over: the socket ended first · too large: the head is. `empty`: not one byte of it came. */
export type HeadRead =
  | { readonly kind: "head"; readonly bytes: Uint8Array }
  | { readonly kind: "too large" }
  | { readonly kind: "late"; readonly empty: boolean }
  | { readonly kind: "over"; readonly empty: boolean };

export type HeadBounds = {
  readonly bytesMax: number;
  readonly withinMs: number;
  /** From the first byte on, where the time until it is another one. */
  readonly onceBegunMs?: number;
};

/** More than a head that nobody takes: the socket is not read any further. */
export type HoldBounds = Pick<BalanceLimits, "heldBytesMax" | "headBytesMax">;

const nothing = new Uint8Array(0);
const endOfHead = Buffer.from("\r\n\r\n");
const carriageReturn = 13;

export class SocketReader implements ByteSocketHandler {
  readonly socket: ByteSocket;
  /** Takes what comes, in place of holding it. */
  sink: ((bytes: Uint8Array) => void) | undefined;
  /** The socket takes more again. */
  onDrained: (() => void) | undefined;
  /** The socket's peer sends no more, or the socket is gone. Called at most twice. */
  onOver: (() => void) | undefined;
  hasEnded = false;
  readonly #clock: Clock;
  readonly #bounds: HoldBounds;
  #held: Uint8Array = nothing;
  #wake: (() => void) | undefined;

  constructor(socket: ByteSocket, clock: Clock, bounds: HoldBounds) {
    this.socket = socket;
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** Nothing more will come. */
  get isOver(): boolean {
    return this.hasEnded || this.socket.isClosed;
  }
  get heldBytes(): number {
    return this.#held.byteLength;
  }

  data(bytes: Uint8Array): void {
    if (this.sink !== undefined) return this.sink(bytes);
    this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    if (this.#held.byteLength > this.#bounds.heldBytesMax) return this.socket.destroy();
    if (this.#held.byteLength > this.#bounds.headBytesMax) this.socket.pause();
    this.#wakeUp();
  }
  ended(): void {
    this.hasEnded = true;
    this.#over();
  }
  drained(): void {
    this.onDrained?.();
  }
  closed(): void {
    this.#over();
  }

  /** Goes on reading, unless more than a head is held already. */
  readOn(): void {
    if (this.#held.byteLength <= this.#bounds.headBytesMax) this.socket.resume();
  }

  /** All that is held; it is the caller's now. */
  take(): Uint8Array {
    const held = this.#held;
    this.#held = nothing;
    return held;
  }
  /** What was taken and belongs to somebody else. */
  giveBack(bytes: Uint8Array): void {
    if (bytes.byteLength > 0) this.#held = this.#held.byteLength === 0 ? bytes : Buffer.concat([bytes, this.#held]);
  }

  /** The next head, up to and with its empty line. What follows it is held. */
  async head({ bytesMax, withinMs, onceBegunMs = withinMs }: HeadBounds): Promise<HeadRead> {
    let searched = 0;
    let until = this.#clock.now() + withinMs;
    let hasBegun = this.#skipEmptyLines();
    if (hasBegun) until = this.#clock.now() + onceBegunMs;
    for (;;) {
      const held = this.#held;
      const end = asBuffer(held).indexOf(endOfHead, Math.max(0, searched - 3));
      const length = end < 0 ? held.byteLength : end + endOfHead.byteLength;
      if (length > bytesMax) return { kind: "too large" };
      if (end >= 0) {
        this.#held = held.subarray(length);
        return { kind: "head", bytes: held.subarray(0, length) };
      }
      searched = held.byteLength;
      if (this.isOver) return { kind: "over", empty: !hasBegun };
      this.socket.resume();
      if ((await this.#next(until - this.#clock.now())) === "late") return { kind: "late", empty: !hasBegun };
      if (!hasBegun && this.#skipEmptyLines()) {
        hasBegun = true;
        until = this.#clock.now() + onceBegunMs;
      }
    }
  }

  /** Resolves when the kernel has taken all that was written; false: not in time, or the socket is gone. */
  async written(withinMs: number): Promise<boolean> {
    const until = this.#clock.now() + withinMs;
    while (this.socket.bufferedBytes() > 0) {
      this.onDrained = () => this.#wakeUp();
      if (this.socket.isClosed || (await this.#next(until - this.#clock.now())) === "late") return false;
    }
    return true;
  }

  /** Lines that some clients send after a body (RFC 9112, section 2.2). Answers whether anything else is there. */
  #skipEmptyLines(): boolean {
    let at = 0;
    while (this.#held[at] === carriageReturn && this.#held[at + 1] === 10) at += 2;
    if (at > 0) this.#held = this.#held.subarray(at);
    return this.#held.byteLength > 0;
  }

  #next(withinMs: number): Promise<"more" | "late"> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(withinMs, () => {
        this.#wake = undefined;
        resolve("late");
      });
      this.#wake = () => {
        timer.cancel();
        resolve("more");
      };
    });
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #over(): void {
    this.onOver?.();
    this.#wakeUp();
  }
}
