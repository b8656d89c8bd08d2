/**
 * A connection's token: asked of the authenticator, and watched until it runs out.
 * @module
 */
import type { Authentication, Clock, Identity, Timer } from "./ports.ts";
import type { Services } from "./services.ts";

/** Undefined: nobody can say now whether the token holds. */
export async function checkToken(
  { ports }: Services,
  connection: string,
  token: string | undefined,
): Promise<Authentication | undefined> {
  try {
    return await ports.authenticator.authenticate(token);
  } catch (error) {
    ports.logger.log("error", "authentication unavailable", { connection, error: String(error) });
    return undefined;
  }
}

/** Calls back when the newest token that it watches runs out. */
export class TokenExpiry {
  readonly #clock: Clock;
  readonly #expired: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, expired: () => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  watch({ expiresAt }: Identity): void {
    this.cancel();
    if (expiresAt === undefined) return;
    this.#timer = this.#clock.after(Math.max(0, expiresAt - this.#clock.now()), this.#expired);
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}
