/**
 * Where tokens come from: asked for at every connect, and again before the one in use runs out, so that a live
 * connection goes on with AUTH.
 * @module
 */
import type { Auth } from "../protocol/frame.ts";
import type { EpochMs } from "../protocol/ids.ts";
import { clientError, type WeirError } from "./errors.ts";
import type { TokenOption } from "./options.ts";
import type { ClientClock, ClientTimer } from "./ports.ts";

export type TokenHost = { readonly clock: ClientClock; send(frame: Auth): void; report(error: WeirError): void };

/** Renewed this long before the end, or after four fifths of a shorter life. */
const marginMs = 60_000;
const marginRatio = 0.2;
const retryMs = 1_000;

export class TokenSource {
  readonly #option: TokenOption | undefined;
  readonly #host: TokenHost;
  #timer: ClientTimer | undefined;
  /** Gateway's clock minus ours. */
  #offsetMs = 0;

  constructor(option: TokenOption | undefined, host: TokenHost) {
    this.#option = option;
    this.#host = host;
  }

  /** Whether a new token can be had. */
  get renewable(): boolean {
    return typeof this.#option === "function";
  }

  async get(): Promise<string | undefined | WeirError> {
    if (typeof this.#option !== "function") return this.#option;
    try {
      return await this.#option();
    } catch (error) {
      return clientError(
        "tokenFailed",
        `The token function failed: ${error instanceof Error ? error.message : String(error)}`,
        error,
      );
    }
  }

  welcomed(expiresAt: EpochMs | undefined, gatewayTime: EpochMs): void {
    this.#offsetMs = gatewayTime - this.#host.clock.now();
    this.expiresAt(expiresAt);
  }

  expiresAt(expiresAt: EpochMs | undefined): void {
    this.stop();
    if (expiresAt === undefined || !this.renewable) return;
    const lifeMs = Math.max(0, expiresAt - (this.#host.clock.now() + this.#offsetMs));
    this.#renewAfter(lifeMs - Math.min(marginMs, lifeMs * marginRatio));
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #renewAfter(delayMs: number): void {
    const timer = this.#host.clock.after(delayMs, () => void this.#renew(timer));
    this.#timer = timer;
  }

  async #renew(timer: ClientTimer): Promise<void> {
    const token = await this.get();
    if (this.#timer !== timer) return; // Stopped, or overtaken by another connection.
    if (typeof token === "string") return this.#host.send({ type: "auth", token });
    if (token !== undefined) this.#host.report(token);
    this.#renewAfter(retryMs);
  }
}
