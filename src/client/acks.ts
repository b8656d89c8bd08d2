/**
 * Gathers acknowledgements of all subscriptions and sends them in one ACK: after a count of records, an amount of
 * bytes or a time, whichever is first.
 *
 * Owns: an ACK never passes what is processed (and stored, where there is a store).
 * @module
 */

import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { Ack, ChainSeq } from "../protocol/frame.ts";
import type { Chain, Item } from "./chain.ts";
import type { ClientClock, ClientTimer } from "./ports.ts";

/** A quarter of the default window: the gateway never has to stop for want of an ACK. */
const bytesMax = limits.deliverWindowBytes / 4;

export class AckQueue {
  readonly #options: { readonly records: number; readonly ms: number };
  readonly #clock: ClientClock;
  readonly #send: (frame: Ack) => void;
  readonly #dirty = new Set<Chain>();
  #only: Item[] = [];
  #records = 0;
  #bytes = 0;
  #timer: ClientTimer | undefined;

  constructor(
    options: { readonly records: number; readonly ms: number },
    clock: ClientClock,
    send: (frame: Ack) => void,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#send = send;
  }

  /** The chain's position moved by one record (or none) of so many bytes; `every` is the subscription's own bound. */
  touch(chain: Chain, bytes: number, every: number): void {
    this.#dirty.add(chain);
    this.#records += bytes > 0 ? 1 : 0;
    this.#bytes += bytes;
    if (this.#records >= Math.min(this.#options.records, every) || this.#bytes >= bytesMax) this.flush();
    else this.#timer ??= this.#clock.after(this.#options.ms, () => this.flush());
  }

  /** A redelivered record is processed. */
  only(item: Item): void {
    this.#only.push(item);
    if (this.#only.length >= this.#options.records) this.flush();
    else this.#timer ??= this.#clock.after(this.#options.ms, () => this.flush());
  }

  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#records = this.#bytes = 0;
    const upTo: ChainSeq[] = [];
    for (const chain of this.#dirty) {
      const seq = chain.ackable;
      if (chain.id === undefined || seq <= chain.ackedHere) continue;
      chain.ackedHere = seq;
      upTo.push({ chain: chain.id, seq });
    }
    this.#dirty.clear();
    const only: ChainSeq[] = [];
    const unbound: Item[] = [];
    for (const item of this.#only) {
      if (item.chain.id === undefined) unbound.push(item);
      else only.push({ chain: item.chain.id, seq: item.record.seq });
    }
    // Without its ACK a redelivered record comes again; those of a lost connection go out on the next one.
    this.#only = unbound.slice(-limits.naksPerSessionMax);
    if (upTo.length + only.length > 0)
      this.#send({ type: "ack", ...(upTo.length > 0 ? { upTo } : {}), ...(only.length > 0 ? { only } : {}) });
  }
}
