/**
 * Groups of messages of one producer that were sent one after the other: what became of them is looked at in the
 * order in which they were sent, whatever the order of the answers.
 * @module
 */
import type { Published } from "./publisher.ts";

export type Sent = {
  readonly count: number;
  /** What became of each, in order. */
  take(result: Published, index: number): void;
  /** After the last one. */
  done(): void;
};

type Waiting = { readonly sent: Sent; readonly results: (Published | undefined)[]; next: number };

export class Line {
  readonly name: string;
  /** The producer's mark when all of them are stored. */
  mark: number | undefined;
  /** Counts what broke it: what was planned before is not stored without a hole. */
  breaks = 0;
  readonly #waiting: Waiting[] = [];
  readonly #emptied: () => void;
  #settled: (() => void)[] = [];

  constructor(name: string, emptied: () => void) {
    this.name = name;
    this.#emptied = emptied;
  }

  /** Answers what is to be told of each of them. A group of none is done after those before it. */
  push(sent: Sent): (result: Published, index: number) => void {
    const waiting: Waiting = { sent, results: [], next: 0 };
    this.#waiting.push(waiting);
    if (sent.count === 0) this.#advance();
    return (result, index) => {
      waiting.results[index] = result;
      if (waiting.next === index && this.#waiting[0] === waiting) this.#advance();
    };
  }

  /** Resolves when everything that was sent is looked at. */
  settled(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#settled.push(resolve));
  }

  #advance(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { sent, results } = first;
      for (; first.next < sent.count; first.next++) {
        const result = results[first.next];
        if (result === undefined) return;
        sent.take(result, first.next);
      }
      this.#waiting.shift();
      sent.done();
    }
    this.#emptied();
    for (const resolve of this.#settled.splice(0)) resolve();
  }
}
