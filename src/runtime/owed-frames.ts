/**
 * Frames that a full socket did not take and that must not be lost (answers, notices): kept in order until it has
 * drained. Deliveries are never kept: their reader sends them again from the log.
 *
 * Bounded in bytes; a connection that owes more is ended.
 * @module
 */
import type { SendResult } from "./transport/transport.ts";

/** What keeping a frame costs beside its bytes. */
const overheadBytes = 64;

export class OwedFrames {
  readonly #bytesMax: number;
  #frames: (Uint8Array | string)[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get empty(): boolean {
    return this.#frames.length === 0;
  }

  /** False: too much is owed. */
  add(data: Uint8Array | string): boolean {
    this.#frames.push(data);
    this.#bytes += data.length + overheadBytes;
    return this.#bytes <= this.#bytesMax;
  }

  /** Sends what the socket takes. */
  flush(send: (data: Uint8Array | string) => SendResult): void {
    let taken = 0;
    while (taken < this.#frames.length && send(this.#frames[taken] as Uint8Array | string) !== "dropped") taken++;
    for (const data of this.#frames.splice(0, taken)) this.#bytes -= data.length + overheadBytes;
  }
}
