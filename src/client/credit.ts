/**
 * How much may still be published on this connection: a window over records and bytes, given by the gateway,
 * taken when something is sent, given back when it is PUBLISHED or COMMITTED.
 *
 * Pure. Owns: never more in flight than granted.
 * @module
 */
import type { Window } from "../protocol/frame.ts";

export class CreditWindow {
  #granted: Window = { records: 0, bytes: 0 };
  #records = 0;
  #bytes = 0;

  get granted(): Window {
    return this.#granted;
  }

  /** A new connection: nothing is in flight on it. */
  open(granted: Window): void {
    this.#granted = granted;
    this.#records = 0;
    this.#bytes = 0;
  }

  /** CREDIT replaces the window; what is in flight stays in flight. */
  grant(granted: Window): void {
    this.#granted = granted;
  }

  fits(records: number, bytes: number): boolean {
    return this.#records + records <= this.#granted.records && this.#bytes + bytes <= this.#granted.bytes;
  }

  take(records: number, bytes: number): void {
    this.#records += records;
    this.#bytes += bytes;
  }

  giveBack(records: number, bytes: number): void {
    this.#records = Math.max(0, this.#records - records);
    this.#bytes = Math.max(0, this.#bytes - bytes);
  }
}
