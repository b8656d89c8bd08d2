/**
 * Promises for conditions of the client: looked at when something has changed, rejected when the client ends.
 *
 * Pure.
 * @module
 */
import type { WeirError } from "./errors.ts";

type Waiter = { readonly met: () => boolean; resolve(): void; reject(error: WeirError): void };

export class Waiters {
  #waiting: Waiter[] = [];
  #ended: WeirError | undefined;

  until(met: () => boolean): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (met()) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ met, resolve, reject }));
  }

  /** Something has changed. */
  wake(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const waiter of waiting) {
      if (waiter.met()) waiter.resolve();
      else this.#waiting.push(waiter);
    }
  }

  end(error: WeirError): void {
    this.#ended = error;
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }
}
