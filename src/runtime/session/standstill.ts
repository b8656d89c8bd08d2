/**
 * Notices that this process stood still (stopped, swapped out, a machine that slept): others may have taken its sessions
 * meanwhile, and told it while it could not hear. Before anything is delivered to a client or taken from one, each
 * session is held, and goes on when its journal says that it is still this node's.
 *
 * Where nobody shares the log, nobody can have taken anything.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock, Logger } from "../ports.ts";
import type { Session } from "./session.ts";

export type StandstillParts = {
  readonly clock: Clock;
  readonly logger: Logger;
  shared(): boolean;
  /** Those that a connection has. */
  attached(): Iterable<Session>;
  /** It is somebody else's. */
  taken(session: Session): void;
};

/** Longer than a busy node needs for its longest turn, shorter than others need to call it dead. */
const standstillMs = 1_000;
const atOnce = 64;
const retryMs = 250;
/** The log gives no answer for so long: the client goes where one does. */
const heldMsMax = 10_000;

export class Standstill {
  readonly #parts: StandstillParts;
  readonly #held = new Map<Session, EpochMs>();
  #seenAt: EpochMs;
  #times = 0;
  #checking = false;

  constructor(parts: StandstillParts) {
    this.#parts = parts;
    this.#seenAt = parts.clock.now();
  }

  /** Called in between while it runs, and before anything goes in or out. */
  look(): void {
    const now = this.#parts.clock.now();
    const stoodStillMs = now - this.#seenAt;
    this.#seenAt = now;
    if (stoodStillMs >= standstillMs) this.#woke(now, stoodStillMs);
  }

  #woke(now: EpochMs, stoodStillMs: number): void {
    const { shared, attached, logger } = this.#parts;
    if (!shared()) return;
    this.#times++;
    for (const session of attached()) {
      if (session.ephemeral) continue;
      session.hold();
      if (!this.#held.has(session)) this.#held.set(session, now);
    }
    logger.log("warn", "this node stood still", { stoodStillMs, sessionsHeld: this.#held.size });
    if (!this.#checking) void this.#checkAll();
  }

  async #checkAll(): Promise<void> {
    this.#checking = true;
    while (this.#held.size > 0) {
      const some = [...this.#held.keys()].slice(0, atOnce);
      const known = await Promise.all(some.map((session) => this.#check(session)));
      if (!known.includes(true)) await new Promise<void>((wake) => this.#parts.clock.after(retryMs, wake));
    }
    this.#checking = false;
  }

  /** False: nobody can say yet. */
  async #check(session: Session): Promise<boolean> {
    const times = this.#times;
    const said = await session.isOurs().catch(() => undefined);
    // An answer from before another standstill says nothing about what happened in that.
    const isOurs = times === this.#times ? said : undefined;
    const isLate = this.#parts.clock.now() - (this.#held.get(session) ?? 0) > heldMsMax;
    if (isOurs === undefined && !isLate) return false;
    this.#held.delete(session);
    if (isOurs === true) session.goOn();
    else if (isOurs === false) this.#parts.taken(session);
    else session.peer?.end("logUnavailable", "nodeStoodStill");
    return true;
  }
}
