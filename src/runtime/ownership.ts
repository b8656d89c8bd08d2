/**
 * Which node has which session, where several nodes share one log: a lease for each node that lives, and a note for
 * each session that a node took. What counts is the journal; this only tells others soon.
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
  /** Its lease is over. */
  nodeLost(node: string): void;
};

const leaseTtlMs = 15_000;
/** Two renewals may fail. */
const renewMs = 4_000;
const nodes = "node/";
const takes = "taken/";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class Ownership {
  readonly #services: Services;
  readonly #events: OwnershipEvents;
  #watches: Follow[] = [];
  #renewal: Timer | undefined;
  #stopped = false;

  constructor(services: Services, events: OwnershipEvents) {
    this.#services = services;
    this.#events = events;
  }

  get #shared(): boolean {
    return this.#services.ports.log.info().shared;
  }

  start(): void {
    if (!this.#shared) return;
    const { keyValue } = this.#services.ports.log;
    this.#watches = [
      keyValue.watch(takes, (change) => this.#noteChanged(change)),
      keyValue.watch(nodes, (change) => {
        const node = change.key.slice(nodes.length);
        if ("deleted" in change && node !== this.#services.node) this.#events.nodeLost(node);
      }),
    ];
    this.#renew();
  }

  async isAlive(node: string): Promise<boolean> {
    if (!this.#shared || node === this.#services.node) return false;
    return (await this.#services.ports.log.keyValue.get(nodes + node)) !== undefined;
  }

  /** This node has the session now. */
  took(session: SessionId, owner: number): void {
    if (!this.#shared) return;
    const { node, ports } = this.#services;
    const value = encoder.encode(JSON.stringify({ node, owner }));
    this.#quietly(ports.log.keyValue.put(takes + session, value, { ttlMs: leaseTtlMs }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#renewal?.cancel();
    for (const watch of this.#watches.splice(0)) watch.stop();
    if (!this.#shared) return;
    const { node, ports } = this.#services;
    await ports.log.keyValue.delete(nodes + node).catch(() => undefined); // else it ends by itself
  }

  #noteChanged(change: KeyValueChange): void {
    if ("deleted" in change) return;
    const { node, owner } = JSON.parse(decoder.decode(change.value)) as { node: string; owner: number };
    if (node !== this.#services.node) this.#events.taken(change.key.slice(takes.length) as SessionId, owner);
  }

  #renew(): void {
    if (this.#stopped) return;
    const { node, ports } = this.#services;
    const value = encoder.encode(JSON.stringify({ at: ports.clock.now() }));
    this.#quietly(ports.log.keyValue.put(nodes + node, value, { ttlMs: leaseTtlMs }));
    this.#renewal = ports.clock.after(renewMs, () => this.#renew());
  }

  /** The log is away: what was to be told is told by the next renewal, or found in the journal. */
  #quietly(put: Promise<unknown>): void {
    put.catch(() => undefined);
  }
}
