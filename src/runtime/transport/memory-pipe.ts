/**
 * One direction of an in-process socket: what the writer has buffered, what the "kernel" holds, what has
 * arrived. Order is kept; a blocked reader fills the kernel's bytes, then the writer's buffer.
 *
 * No randomness and no time of its own: the latency of each item is asked for, and the clock wakes it.
 * @module
 */
import type { Clock } from "../ports.ts";

export type PipeItem =
  | { readonly kind: "open"; readonly subprotocol: string }
  | { readonly kind: "message"; readonly data: Uint8Array | string }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

export type PipeOptions = {
  readonly clock: Clock;
  /** Bytes that are in flight or wait for the reader before the writer has to buffer. */
  readonly kernelBytes: number;
  latencyMs(): number;
  deliver(item: PipeItem): void;
  /** The writer's buffer is empty again. */
  drained(): void;
};

type Parcel = { readonly item: PipeItem; readonly bytes: number; arrived: boolean };

export class MemoryPipe {
  readonly #options: PipeOptions;
  #buffer: Parcel[] = [];
  #kernel: Parcel[] = [];
  #bufferBytes = 0;
  #kernelBytes = 0;
  #blocked = false;
  #full = false;
  #ended = false;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  get bufferedBytes(): number {
    return this.#bufferBytes;
  }

  write(item: PipeItem): void {
    const parcel = { item, bytes: itemBytes(item), arrived: false };
    const fits = !this.#full && this.#kernelBytes < this.#options.kernelBytes;
    if (this.#buffer.length === 0 && fits) return this.#depart(parcel);
    this.#buffer.push(parcel);
    this.#bufferBytes += parcel.bytes;
  }

  /**
   * The reader takes nothing (more) until `unblock`; what it has read already still reaches it. `full`: nor does the
   * network between.
   */
  block(full = false): void {
    this.#blocked = true;
    this.#full = full;
  }
  unblock(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#full = false;
    this.#options.clock.soon(() => this.#deliver());
  }

  /** Everything that has not been delivered is lost, and nothing passes any more. */
  end(): void {
    this.#ended = true;
    this.#buffer = [];
    this.#kernel = [];
    this.#bufferBytes = 0;
    this.#kernelBytes = 0;
  }

  #depart(parcel: Parcel): void {
    this.#kernel.push(parcel);
    this.#kernelBytes += parcel.bytes;
    this.#options.clock.after(this.#options.latencyMs(), () => {
      parcel.arrived = true;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#blocked || this.#ended) return;
    const waiting = this.#kernel.findIndex((parcel) => !parcel.arrived);
    const read = this.#kernel.splice(0, waiting < 0 ? this.#kernel.length : waiting);
    for (const parcel of read) this.#kernelBytes -= parcel.bytes;
    const hadBuffered = this.#buffer.length > 0;
    this.#refill();
    for (const parcel of read) {
      if (this.#ended) return;
      this.#options.deliver(parcel.item);
    }
    if (hadBuffered && this.#buffer.length === 0 && !this.#ended) this.#options.drained();
  }

  #refill(): void {
    let taken = 0;
    for (const parcel of this.#buffer) {
      if (this.#kernelBytes >= this.#options.kernelBytes) break;
      taken += 1;
      this.#bufferBytes -= parcel.bytes;
      this.#depart(parcel);
    }
    if (taken > 0) this.#buffer.splice(0, taken);
  }
}

function itemBytes(item: PipeItem): number {
  if (item.kind !== "message") return 0;
  return typeof item.data === "string" ? Buffer.byteLength(item.data) : item.data.byteLength;
}
