/**
 * Which node has which session, where several nodes share one log: a note for each session that a node took, and what
 * the membership says of nodes that are gone. What counts is the journal; this only tells others soon.
 *
 * On a log of one node there is nobody to tell, and no other node lives.
 * @module
 */
import type { SessionId } from "../protocol/ids.ts";
import type { Follow, KeyValueChange } from "./log/event-log.ts";
import type { Timer } from "./ports.ts";
import type { Services } from "./services.ts";

export type OwnershipEvents = {
  /** Another node has it now, as its owner number `owner`. */
  taken(session: SessionId, owner: number): void;
  /** It is gone for sure. */
  nodeLost(node: string): void;
};

/** NATS may take so long to agree on what it was given. */
const storedLateMs = 30_000;
/** Who did not hear of it by then finds it in the journal. */
const noteTtlMs = 15_000;
const takes = "taken/";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Ownership {
  readonly #services: Services;
  readonly #events: OwnershipEvents;
  #watches: Follow[] = [];
  readonly #looks = new Set<Timer>();

  constructor(services: Services, events: OwnershipEvents) {
    this.#services = services;
    this.#events = events;
  }

  get #shared(): boolean {
    return this.#services.ports.log.info().shared;
  }

  start(): void {
    const { cluster, ports } = this.#services;
    if (!this.#shared) return;
    this.#watches = [
      ports.log.keyValue.watch(takes, (change) => this.#noteChanged(change)),
      cluster.onLost((node) => this.#lost(node)),
    ];
  }

  /** Looked for twice: what the node had under way when it died may be stored after the first look. */
  #lost(node: string): void {
    this.#events.nodeLost(node);
    const timer = this.#services.ports.clock.after(storedLateMs, () => {
      this.#looks.delete(timer);
      this.#events.nodeLost(node);
    });
    this.#looks.add(timer);
  }

  /** Whether what it has must be left to it. */
  isAlive(node: string): Promise<boolean> {
    return this.#services.cluster.isAlive(node);
  }

  /** This node has the session now. */
  took(session: SessionId, owner: number): void {
    if (!this.#shared) return;
    const { node, ports } = this.#services;
    const value = encoder.encode(JSON.stringify({ node, owner }));
    this.#quietly(ports.log.keyValue.put(takes + session, value, { ttlMs: noteTtlMs }));
  }

  stop(): void {
    for (const watch of this.#watches.splice(0)) watch.stop();
    for (const timer of this.#looks) timer.cancel();
    this.#looks.clear();
  }

  #noteChanged(change: KeyValueChange): void {
    if ("deleted" in change) return;
    const { node, owner } = JSON.parse(decoder.decode(change.value)) as { node: string; owner: number };
    if (node !== this.#services.node) this.#events.taken(change.key.slice(takes.length) as SessionId, owner);
  }

  /** The log is away: what was to be told is found in the journal. */
  #quietly(put: Promise<unknown>): void {
    put.catch(() => undefined);
  }
}
