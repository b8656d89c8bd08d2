/**
 * Follows what arrives at each client, to know what its handlers have not settled yet and where its
 * subscriptions began.
 * @module
 */
import type { Frame } from "../../src/protocol/frame.ts";
import type { SubscriberFact } from "./evidence.ts";
import type { Unprocessed } from "./wire-checker.ts";

const none: ReadonlySet<number> = new Set();

export class Deliveries implements Unprocessed {
  readonly #open = new Map<string, Set<number>>();
  readonly #settled = new Map<string, Set<number>>();
  readonly #chains = new Map<string, { readonly filter: string; readonly lane: number }>();
  readonly #facts = new Map<string, SubscriberFact>();
  readonly #log: { readonly firstSeq: number; readonly lastSeq: number };

  constructor(log: { readonly firstSeq: number; readonly lastSeq: number }) {
    this.#log = log;
  }

  follow(client: string, fact: SubscriberFact): void {
    this.#facts.set(`${client} ${fact.filter}`, fact);
  }

  seqs(client: string, filter: string, lane: number): ReadonlySet<number> {
    return this.#open.get(`${client} ${filter} ${lane}`) ?? none;
  }

  /** The handler is done with it, one way or the other. */
  settled(client: string, filter: string, lane: number, seq: number): void {
    const name = `${client} ${filter} ${lane}`;
    this.#open.get(name)?.delete(seq);
    this.#settled.set(name, (this.#settled.get(name) ?? new Set()).add(seq));
  }

  /** The client died: what it was handed and had not settled is open no more. */
  forget(client: string): void {
    for (const [name, open] of this.#open) if (name.startsWith(`${client} `)) open.clear();
  }

  arrived(client: string, wire: number, frame: Frame): void {
    if (frame.type === "subscribed") {
      for (const { chain, lane } of frame.chains) this.#chains.set(`${wire} ${chain}`, { filter: frame.filter, lane });
      const fact = this.#facts.get(`${client} ${frame.filter}`);
      if (fact !== undefined && fact.after === undefined) {
        fact.heldFrom = this.#log.firstSeq;
        fact.after = fact.startsAtLast ? this.#log.lastSeq : Math.min(...frame.chains.map(({ last }) => last));
      }
    }
    if (frame.type !== "deliver" || frame.attempt !== undefined) return;
    const to = this.#chains.get(`${wire} ${frame.chain}`);
    const fact = to === undefined ? undefined : this.#facts.get(`${client} ${to.filter}`);
    if (to === undefined || fact === undefined) return;
    // One that starts at the last of each topic does not owe what lies before, even if it is delivered again.
    const owedAfter = fact.startsAtLast ? (fact.after ?? 0) : 0;
    const name = `${client} ${to.filter} ${to.lane}`;
    const settled = this.#settled.get(name);
    const open = this.#open.get(name) ?? new Set();
    this.#open.set(name, open);
    for (const { seq } of frame.records) if (seq > owedAfter && settled?.has(seq) !== true) open.add(seq);
  }
}
