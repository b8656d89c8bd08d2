/**
 * Takes clients of this node to others: wave after wave, as many as the targets may be sent, each with a ticket and a
 * slot. They are served here until they go. Who has not gone some time after its slot is asked to by closing.
 *
 * A whole drain takes everybody, those who come meanwhile too; where there is nowhere to go, all are ended at once. A
 * drain of a share takes so many of those who are here when it begins.
 * @module
 */
import type { CloseName } from "../../protocol/close-code.ts";
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock, Logger, Random, Timer } from "../ports.ts";
import { type DrainTarget, type PlannedMove, planWave } from "./drain-plan.ts";

export type DrainRequest = {
  readonly reason: string;
  /** Of the clients that are here now, above 0 and below 1. Absent: everybody, and nobody new is taken. */
  readonly share?: number;
  /** Nodes to go to. @default every healthy one */
  readonly to?: readonly string[];
};

export type DrainView = DrainRequest & {
  /** done: everybody has gone, or the drain was called off. */
  readonly state: "moving" | "done";
  readonly startedAt: EpochMs;
  /** Have no slot yet. */
  readonly waiting: number;
  /** Have a slot, and are still here. */
  readonly sent: number;
  readonly gone: number;
  /** Of those: closed by this node, because they did not go in their slot or there was nowhere to go. */
  readonly closed: number;
};

export type Destination = {
  readonly node: string;
  readonly url: string;
  readonly ticket: string;
  readonly at: EpochMs;
};

/** A connection, as its drain sees it. */
export type DrainClient = {
  readonly gone: boolean;
  /** "": it is in its handshake, and is looked at in a later wave · undefined: it knows no tickets, and is closed in its slot. */
  readonly session: string | undefined;
  sendTo(destination: Destination): void;
  end(reason: CloseName, cause: string): void;
};

export type DrainParts = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  clients(): Iterable<DrainClient>;
  targets(): readonly DrainTarget[];
  /** At each target, of all nodes that drain together. */
  perSecondMax(): number;
  ticket(move: {
    readonly node: string;
    readonly url: string;
    readonly session: string;
    readonly at: EpochMs;
  }): Promise<string>;
};

const waveMs = 1_000;
/** For a client that comes a little late, or finds its target gone and comes again. */
const graceMs = 5_000;
/** Nowhere to go for so long: a target that only misses a beat is back by then. */
const nowhereMs = 5_000;

export class Drain {
  readonly #parts: DrainParts;
  readonly #request: DrainRequest;
  readonly #startedAt: EpochMs;
  readonly #ended = Promise.withResolvers<void>();
  /** Of a drain of a share: those who have no slot yet. */
  readonly #chosen: Set<DrainClient> | undefined;
  readonly #sent = new Map<DrainClient, EpochMs>();
  #targetsAt: EpochMs = 0;
  #gone = 0;
  #closed = 0;
  #over = false;
  #timer: Timer | undefined;

  constructor(parts: DrainParts, request: DrainRequest) {
    this.#parts = parts;
    this.#request = request;
    this.#startedAt = parts.clock.now();
    if (request.share !== undefined) this.#chosen = this.#choose(request.share);
    void this.#wave();
  }

  /** Everybody has gone, or it was called off. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }
  get whole(): boolean {
    return this.#chosen === undefined;
  }

  view(): DrainView {
    const waiting = [...(this.#chosen ?? this.#parts.clients())].filter((one) => !one.gone && !this.#sent.has(one));
    return {
      ...this.#request,
      state: this.#over ? "done" : "moving",
      startedAt: this.#startedAt,
      waiting: this.#over ? 0 : waiting.length,
      sent: this.#sent.size,
      gone: this.#gone,
      closed: this.#closed,
    };
  }

  /** Who has a slot already goes. */
  stop(): void {
    this.#timer?.cancel();
    this.#over = true;
    this.#ended.resolve();
  }

  #choose(share: number): Set<DrainClient> {
    const { clients, random } = this.#parts;
    const all = Array.from(clients(), (client) => ({ client, at: random.next() }));
    all.sort((a, b) => a.at - b.at);
    return new Set(all.slice(0, Math.round(share * all.length)).map(({ client }) => client));
  }

  async #wave(): Promise<void> {
    const { clock, logger } = this.#parts;
    this.#settle(clock.now());
    const waiting = [...(this.#chosen ?? this.#parts.clients())].filter((one) => !one.gone && !this.#sent.has(one));
    if (waiting.length === 0 && this.#sent.size === 0) {
      logger.log("info", "clients are gone", { reason: this.#request.reason, gone: this.#gone, closed: this.#closed });
      return this.stop();
    }
    try {
      await this.#sendAway(waiting);
    } catch (error) {
      logger.log("warn", "no tickets for now", { error: String(error) });
    }
    if (!this.#over) this.#timer = clock.after(waveMs, () => void this.#wave());
  }

  async #sendAway(waiting: readonly DrainClient[]): Promise<void> {
    const { clock } = this.#parts;
    const now = clock.now();
    const targets = this.#parts.targets();
    if (targets.length > 0) this.#targetsAt = now;
    else if (this.whole && now - this.#targetsAt >= nowhereMs) for (const client of waiting) this.#close(client);
    const ready = waiting.filter(({ session }) => session !== "");
    const bounds = { perSecondMax: this.#parts.perSecondMax(), waveMs };
    await Promise.all(planWave(ready, targets, bounds).map((move) => this.#send(move, now + move.slotMs)));
  }

  async #send({ client, node, url }: PlannedMove<DrainClient>, at: EpochMs): Promise<void> {
    const { session } = client;
    if (session === undefined) return void this.#sent.set(client, at);
    this.#sent.set(client, at + graceMs);
    try {
      const ticket = await this.#parts.ticket({ node, url, session, at });
      if (!this.#over) client.sendTo({ node, url, ticket, at });
    } catch (error) {
      this.#sent.delete(client);
      throw error;
    }
  }

  #settle(now: EpochMs): void {
    for (const [client, endsAt] of this.#sent) {
      if (client.gone) {
        this.#gone++;
        this.#sent.delete(client);
        this.#chosen?.delete(client);
      } else if (now >= endsAt) this.#close(client);
    }
  }

  /** It is counted as gone when it is. */
  #close(client: DrainClient): void {
    this.#closed++;
    this.#sent.set(client, Number.POSITIVE_INFINITY);
    client.end("goingAway", "draining");
  }
}
