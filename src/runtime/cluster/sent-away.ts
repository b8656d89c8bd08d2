/**
 * Which clients were sent to another node a moment ago. One that comes again all the same is served: it does not
 * understand where it was sent, or could not get in there, and must not be sent to and fro.
 *
 * Pure: time arrives as `now`. Bounded: of more than `clientsMax` the oldest is forgotten, and may be sent away once more.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

export const sentAwayMs = 60_000;
export const clientsMax = 16_384;

type Sent = { times: number; readonly until: EpochMs };

export class SentAway {
  /** By session, or by what else a client is known by; the oldest first. */
  readonly #clients = new Map<string, Sent>();

  get size(): number {
    return this.#clients.size;
  }

  sent(client: string, now: EpochMs): void {
    const times = this.#timesOf(client, now) + 1; // Several may be known by the same address.
    this.#clients.delete(client);
    this.#clients.set(client, { times, until: now + sentAwayMs });
    const oldest = this.#clients.keys().next();
    if (this.#clients.size > clientsMax && oldest.done !== true) this.#clients.delete(oldest.value);
  }

  /** Whether it is one that comes again. Each that was sent away comes again once. */
  comesAgain(client: string, now: EpochMs): boolean {
    const held = this.#clients.get(client);
    if (this.#timesOf(client, now) === 0 || held === undefined) return false;
    held.times--;
    if (held.times === 0) this.#clients.delete(client);
    return true;
  }

  #timesOf(client: string, now: EpochMs): number {
    const held = this.#clients.get(client);
    return held === undefined || held.until <= now ? 0 : held.times;
  }
}
