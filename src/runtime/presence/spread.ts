/**
 * Tells other nodes who is present here, and hears from them who is there: changes as they happen, how far one is every
 * second, and answers to who has missed something. A message that is lost costs a second, not the truth.
 *
 * Owns: members of a node that nobody hears of go after a time of grace, and come back when it is heard again.
 * @module
 */
import type { Bus, BusMessage } from "../bus/bus.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Clock, Timer } from "../ports.ts";
import { Directory, type OnShown } from "./directory.ts";
import { OwnChanges } from "./own-changes.ts";
import { Replica } from "./replica.ts";
import { decodeSpread, encodeSpread, type SpreadMessage } from "./spread-message.ts";

export type SpreadParts = {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly membership: Pick<Membership, "member">;
  readonly self: { readonly node: string; readonly incarnation: string };
  /** How long members of a lost node stay. */
  readonly graceMs: () => number;
  readonly onShown: OnShown;
};

/** Changes wait so long for others. */
const tellMs = 20;
const tickMs = 500;
const headEvery = 2;
const askTimeoutMs = 2_000;
const messageBytesMax = 262_144;
const deltas = "b.presence.delta";
const heads = "b.presence.head";
const asks = (node: string, incarnation: string): string => `b.presence.ask.${node}.${incarnation}`;

export class Spread {
  readonly directory: Directory;
  readonly own: OwnChanges;
  /** Questions asked because something was missed. */
  repairs = 0;
  readonly #parts: SpreadParts;
  readonly #replicas = new Map<string, Replica>();
  readonly #subscriptions: { stop(): void }[] = [];
  #telling: Timer | undefined;
  #ticking: Timer | undefined;
  #ticks = 0;
  #stopped = false;

  constructor(parts: SpreadParts) {
    this.#parts = parts;
    this.directory = new Directory(parts.onShown);
    this.own = new OwnChanges(this.directory, parts.self);
    const { bus, self } = parts;
    this.#subscriptions.push(
      bus.subscribe(deltas, (message) => this.#heard(message, "delta")),
      bus.subscribe(heads, (message) => this.#heard(message, "head")),
      bus.subscribe(asks(self.node, self.incarnation), (message) => this.#asked(message)),
    );
  }

  /** Something of this node's own changed. */
  changed(): void {
    if (this.#stopped) return;
    this.#telling ??= this.#parts.clock.after(tellMs, () => this.#tell());
    this.#tickLater();
  }

  stop(): void {
    this.#tell();
    this.#stopped = true;
    this.#telling?.cancel();
    this.#ticking?.cancel();
    for (const subscription of this.#subscriptions) subscription.stop();
  }

  #tell(): void {
    this.#telling?.cancel();
    this.#telling = undefined;
    for (const delta of this.own.takeUntold(this.#bytesMax)) this.#publish(deltas, delta);
  }

  #publish(subject: string, message: SpreadMessage): void {
    this.#parts.bus.publish(subject, encodeSpread(message));
  }

  get #bytesMax(): number {
    return Math.min(messageBytesMax, this.#parts.bus.bytesMax / 2);
  }

  // --- from others ---

  #heard({ data }: BusMessage, kind: "delta" | "head"): void {
    const message = decodeSpread(data, kind);
    if (message === undefined || this.#stopped) return;
    const replica = this.#replicaOf(message);
    if (replica === undefined) return;
    if (message.kind === "delta") replica.heardDelta(message);
    else replica.heardHead(message);
    if (replica.behind) void this.#repair(replica);
  }

  /** Undefined: that is this node itself. */
  #replicaOf({ node, incarnation }: { readonly node: string; readonly incarnation: string }): Replica | undefined {
    const { self } = this.#parts;
    if (node === self.node && incarnation === self.incarnation) return undefined;
    const name = `${node} ${incarnation}`;
    const known = this.#replicas.get(name);
    if (known !== undefined) return known;
    const replica = new Replica(this.directory, { node, incarnation });
    this.#replicas.set(name, replica);
    this.#tickLater();
    return replica;
  }

  #asked({ data, reply }: BusMessage): void {
    const ask = decodeSpread(data, "ask");
    if (ask !== undefined) reply?.(encodeSpread(this.own.answer(ask, this.#bytesMax)));
  }

  /** Until nothing is missing, or it gives no answer: then its next head asks again. */
  async #repair(replica: Replica): Promise<void> {
    if (replica.asking) return;
    replica.asking = true;
    const { node, incarnation } = replica.source;
    try {
      while (replica.behind && !this.#stopped) {
        this.repairs++;
        const asked = encodeSpread(replica.ask);
        const reply = await this.#parts.bus.request(asks(node, incarnation), asked, { timeoutMs: askTimeoutMs });
        const answer = reply.ok ? decodeSpread(reply.data, "answer") : undefined;
        if (answer === undefined) return;
        replica.heardAnswer(answer);
      }
    } finally {
      replica.asking = false;
    }
  }

  // --- time ---

  /** A node without members, that hears of none, has nothing to do. */
  #tickLater(): void {
    if (this.#stopped || this.#ticking !== undefined) return;
    this.#ticking = this.#parts.clock.after(tickMs, () => {
      this.#ticking = undefined;
      this.#tick();
      if (this.#replicas.size > 0 || this.own.source.version > 0) this.#tickLater();
    });
  }

  #tick(): void {
    const { source } = this.own;
    if (++this.#ticks % headEvery === 0 && source.version > 0) {
      this.#tell();
      const { node, incarnation, version: to, count } = source;
      this.#publish(heads, { kind: "head", node, incarnation, to, count });
    }
    for (const [name, replica] of this.#replicas) if (this.#isOver(replica)) this.#forget(name, replica);
  }

  /** Its node is lost, and the time of grace is over. */
  #isOver(replica: Replica): boolean {
    const { clock, membership, graceMs } = this.#parts;
    const { node, incarnation } = replica.source;
    const member = membership.member(node);
    const isThere = member?.incarnation === incarnation && member.status !== "unhealthy" && member.status !== "left";
    if (isThere) replica.lostAt = undefined;
    else replica.lostAt ??= clock.now();
    return replica.lostAt !== undefined && clock.now() - replica.lostAt >= graceMs();
  }

  #forget(name: string, replica: Replica): void {
    this.#replicas.delete(name);
    replica.drop();
  }
}
