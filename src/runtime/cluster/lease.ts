/**
 * The lease of this node: a key with its name in the log's key-value store, renewed while it lives. One process has a
 * name at a time.
 *
 * Owns: who has the lease wrote it with compare-and-set after it was free, or after its holder did not answer.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Bus } from "../bus/bus.ts";
import type { EventLog } from "../log/event-log.ts";
import { pause } from "../pause.ts";
import type { Clock, Logger, Timer } from "../ports.ts";
import { type Beat, decodeBeat, encodeBeat } from "./beat.ts";

export const leasePrefix = "node/";
/** In key-value stores whole seconds. */
const leaseTtlMs = 15_000;
const renewMs = 4_000;
const retryMs = 1_000;
/** Not renewed for so long: before others may take what the node has, it takes nothing any more. */
const servesMs = 10_000;
const askMs = 1_000;
/** Longer than the lease of one that stands still. */
const claimMs = 20_000;
const triesMax = 5;

export type LeaseParts = {
  readonly log: EventLog;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly node: string;
  readonly incarnation: string;
  /** What is written: who this is. */
  readonly beat: () => Beat;
  /** Another process has the name now: this one is to end. */
  readonly replaced: (why: string) => void;
  /** After each renewal, and when `serves` ends. */
  readonly renewed: () => void;
};

/** A living node has this name, or cannot work with this one. */
export class NodeRefusedError extends Error {
  override readonly name = "NodeRefusedError";
}

/** Where a node answers that it lives. */
const aliveSubject = (incarnation: string) => `b.node.${incarnation}.alive`;
const nothing = new Uint8Array(0);

export class Lease {
  readonly #parts: LeaseParts;
  readonly #key: string;
  #revision = 0;
  /** When the renewal began that was the last one taken. */
  #renewedAt: EpochMs | undefined;
  #renewal: Timer | undefined;
  #end: Timer | undefined;
  #answers: { stop(): void } | undefined;
  #stopped = false;
  /** Why the lease could not be had. */
  #problem = "";

  constructor(parts: LeaseParts) {
    this.#parts = parts;
    this.#key = leasePrefix + parts.node;
  }

  get serves(): boolean {
    if (this.#renewedAt === undefined || this.#end === undefined) return false;
    // A process that stood still finds its timers late.
    return this.#parts.clock.now() - this.#renewedAt < servesMs;
  }

  /** Throws `NodeRefusedError` when somebody lives who has the name. */
  async claim(): Promise<void> {
    const { bus, clock, incarnation } = this.#parts;
    this.#answers = bus.subscribe(aliveSubject(incarnation), ({ reply }) => reply?.(nothing));
    const until = clock.now() + claimMs;
    try {
      while (!(await this.#claimOnce())) {
        if (clock.now() >= until) throw new NodeRefusedError(this.#problem);
        await pause(clock, retryMs);
      }
    } catch (error) {
      this.#answers.stop();
      throw error;
    }
  }

  async #claimOnce(): Promise<boolean> {
    const { log, clock } = this.#parts;
    for (let tries = 0; tries < triesMax; tries++) {
      const at = clock.now();
      const put = await this.#put().catch(
        (error: unknown) => ({ ok: false, code: "away", message: String(error) }) as const,
      );
      if (put.ok) {
        this.#keep(put.revision, at);
        return true;
      }
      this.#problem = `The log did not take the lease of this node: ${put.message}`;
      if (put.code !== "conflict") return false;
      const held = await log.keyValue.get(this.#key);
      if (held !== undefined && !(await this.#isFree(held.value))) return false;
      this.#revision = held?.revision ?? 0;
    }
    return false;
  }

  /** Who this is has changed: written now, not at its time. */
  rewrite(): void {
    this.#again(0);
  }

  /** Given back: everybody knows at once. */
  async release(): Promise<void> {
    this.#stopped = true;
    this.#renewal?.cancel();
    this.#end?.cancel();
    this.#end = undefined;
    this.#answers?.stop();
    // Where it is not taken, it ends by itself.
    await this.#parts.log.keyValue.delete(this.#key, { expected: this.#revision }).catch(() => undefined);
  }

  #put() {
    const { log, beat } = this.#parts;
    const expected = this.#revision;
    return log.keyValue.put(this.#key, encodeBeat(beat()), { expected, ttlMs: leaseTtlMs });
  }

  /** Whether who has the name is gone: nobody answers. One that only stands still keeps it until its lease is over. */
  async #isFree(value: Uint8Array): Promise<boolean> {
    const { bus } = this.#parts;
    const holder = decodeBeat(value);
    if (holder === undefined)
      throw new NodeRefusedError(`The lease ${this.#key} was written by a version that this one does not know`);
    const { node, url, startedAt, incarnation } = holder;
    if (incarnation === this.#parts.incarnation) return true; // The answer to our own write was lost.
    const since = new Date(startedAt).toISOString();
    this.#problem = `A node named ${node} runs already at ${url}, since ${since}: give this one another name with discovery.node, or stop that one`;
    const answer = await bus.request(aliveSubject(incarnation), nothing, { timeoutMs: askMs });
    if (answer.ok) throw new NodeRefusedError(this.#problem);
    this.#revision = 0;
    return answer.code === "noResponders";
  }

  #keep(revision: number, at: EpochMs): void {
    const { clock } = this.#parts;
    this.#revision = revision;
    this.#renewedAt = at;
    this.#end?.cancel();
    this.#end = clock.after(servesMs, () => {
      this.#end = undefined;
      this.#parts.renewed();
    });
    this.#again(renewMs);
    this.#parts.renewed();
  }

  #again(ms: number): void {
    if (this.#stopped) return;
    this.#renewal?.cancel();
    this.#renewal = this.#parts.clock.after(ms, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const at = this.#parts.clock.now();
    try {
      const put = await this.#put();
      if (this.#stopped) return;
      if (put.ok) return this.#keep(put.revision, at);
      if (put.code === "conflict") await this.#lookAgain();
    } catch {
      // The log is away.
    }
    this.#again(retryMs);
  }

  /** What was written without an answer is ours; what is over may be taken again; what another has is lost. */
  async #lookAgain(): Promise<void> {
    const { log, logger, replaced, node, incarnation } = this.#parts;
    const held = await log.keyValue.get(this.#key);
    this.#revision = held?.revision ?? 0;
    const holder = held === undefined ? undefined : decodeBeat(held.value);
    if (held === undefined || holder?.incarnation === incarnation) return;
    const why = `Another process has the name ${node} now, at ${holder?.url ?? "an unknown address"}`;
    logger.log("error", "node replaced", { node, by: holder?.incarnation, url: holder?.url });
    this.#stopped = true;
    this.#end?.cancel();
    this.#end = undefined;
    replaced(why);
  }
}
