/**
 * Which pools there are and who coordinates them, as far as this node knows: told by a note in the key-value store when it
 * changes, and by the journals. What counts is a pool's journal; this only tells soon.
 * @module
 */
import { hashOf, hashOfPair } from "../../actors/balancer/hash.ts";
import type { Member, NodeStatus } from "../cluster/membership.ts";
import type { Follow, KeyValueChange } from "../log/event-log.ts";
import type { Services } from "../services.ts";
import { loadPool, poolKind } from "./pool-store.ts";

/** `node` "": none. */
export type Known = { readonly node: string; readonly term: number; readonly deleted?: boolean };

export type DirectoryEvents = {
  /** A pool is there, has another coordinator, or is gone; or the nodes are others. */
  changed(name: string, known: Known): void;
  /** It died, left, or is another process now: whoever was connected to it is not any more. */
  nodeGone(node: string): void;
};

const notes = "pool/";
const listPage = 256;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
/** Of several nodes that find a pool without coordinator, one after the other claims it. */
const rankMs = 300;
/** A node that has just started does not know yet who else there is. */
const strangerMs = 3_000;
const retryMs = 1_000;

export class Directory {
  readonly #services: Services;
  readonly #events: DirectoryEvents;
  readonly #known = new Map<string, Known>();
  readonly #incarnations = new Map<string, string>();
  readonly #startedAt: number;
  #stops: { stop(): void }[] = [];
  #stopped = false;

  constructor(services: Services, events: DirectoryEvents) {
    this.#services = services;
    this.#events = events;
    this.#startedAt = services.ports.clock.now();
  }

  start(): void {
    const { clock, log } = this.#services.ports;
    const watch: Follow = log.keyValue.watch(notes, (change) => this.#noted(change));
    this.#stops.push(watch);
    this.#readAll();
    const { cluster } = this.#services;
    if (!log.info().shared) return;
    this.#stops.push(cluster.onChange((member) => this.#nodeChanged(member)));
    clock.after(strangerMs, () => this.#lookAtAll());
  }

  stop(): void {
    this.#stopped = true;
    for (const one of this.#stops) one.stop();
  }

  known(name: string): Known | undefined {
    return this.#known.get(name);
  }

  /** Undefined: it has a coordinator. Else after this time this node should claim it. */
  claimDelayMs(name: string, known: Known | undefined): number | undefined {
    const { node: self, ports, cluster } = this.#services;
    const holder = known?.node ?? "";
    if (holder === self || !ports.log.info().shared) return 0;
    const others = cluster.members().filter(({ status }) => status === "healthy" || status === "joining");
    const isNew = ports.clock.now() - this.#startedAt < strangerMs;
    if (holder !== "") {
      const status = cluster.member(holder)?.status;
      if (status === undefined ? isNew : !isGone(status)) return undefined;
    }
    const ranks = [...new Set([self, ...others.map(({ node }) => node)])]
      .map((node) => ({ node, score: hashOfPair(hashOf(name), hashOf(node)) }))
      .sort((a, b) => b.score - a.score);
    return ranks.findIndex(({ node }) => node === self) * rankMs;
  }

  /** For everybody. */
  tell(name: string, known: Known): void {
    this.learned(name, known);
    const value = encoder.encode(JSON.stringify(known));
    // Who does not hear of it reads the journal.
    this.#services.ports.log.keyValue.put(notes + name, value).catch(() => undefined);
  }

  learned(name: string, known: Known): void {
    const before = this.#known.get(name);
    if (before !== undefined && before.term > known.term) return;
    this.#known.set(name, known);
    this.#events.changed(name, known);
    if (known.deleted === true) this.#known.delete(name);
  }

  async deleted(name: string): Promise<void> {
    const term = this.#known.get(name)?.term ?? 0;
    this.tell(name, { node: "", term, deleted: true });
  }

  /** What the journal says now. */
  async reread(name: string): Promise<void> {
    const { state } = await loadPool(this.#services, name);
    if (this.#stopped) return;
    const deleted = state.status === "none" || state.status === "deleted";
    this.learned(name, { node: state.node ?? "", term: state.term, ...(deleted ? { deleted } : {}) });
  }

  #noted(change: KeyValueChange): void {
    if ("deleted" in change) return;
    this.learned(change.key.slice(notes.length), JSON.parse(decoder.decode(change.value)) as Known);
  }

  #nodeChanged({ node, incarnation, status }: Member): void {
    const before = this.#incarnations.get(node);
    this.#incarnations.set(node, incarnation);
    if (isGone(status) || (before !== undefined && before !== incarnation)) this.#events.nodeGone(node);
    if (isGone(status)) this.#incarnations.delete(node);
    this.#lookAtAll();
  }

  #lookAtAll(): void {
    if (this.#stopped) return;
    for (const [name, known] of this.#known) this.#events.changed(name, known);
  }

  #readAll(): void {
    const { clock, logger } = this.#services.ports;
    this.#readJournals().catch((error: unknown) => {
      if (this.#stopped) return;
      logger.log("warn", "pools not read yet", { error: String(error), retryMs });
      clock.after(retryMs, () => this.#readAll());
    });
  }

  async #readJournals(): Promise<void> {
    const { journals } = this.#services.ports.log;
    for (let cursor = ""; !this.#stopped; ) {
      const ids = await journals.list(poolKind, cursor, listPage);
      for (const id of ids) if (!this.#known.has(id)) await this.reread(id);
      const last = ids[ids.length - 1];
      if (last === undefined || ids.length < listPage) return;
      cursor = last;
    }
  }
}

function isGone(status: NodeStatus): boolean {
  return status === "unhealthy" || status === "left";
}
