/**
 * Who may connect, as the configuration says: reads the key, and can be exchanged while the gateway runs.
 * @module
 */
import { anonymousAuthenticator, authenticator, jwtAuthenticator } from "../runtime/auth.ts";
import type { Authentication, Authenticator, Clock } from "../runtime/ports.ts";
import { CliError, exitCodes } from "./cli/exit-code.ts";
import type { Config } from "./config/profile.ts";
import { readText } from "./read-text.ts";

/** Clients that come from now on are met by another one; those that are connected stay. */
export class CurrentAuthenticator implements Authenticator {
  #now: Authenticator;

  constructor(first: Authenticator) {
    this.#now = first;
  }

  use(next: Authenticator): void {
    this.#now = next;
  }

  authenticate(token: string | undefined): Promise<Authentication> {
    return this.#now.authenticate(token);
  }
}

export function authenticatorOf(config: Config, clock: Clock): Authenticator {
  const { anonymous, jwt } = config.security;
  const { tokenBytesMax } = config.websocket.limits;
  const by: { jwt?: Authenticator; anonymous?: Authenticator } = {};
  try {
    if (anonymous.allow) by.anonymous = anonymousAuthenticator(anonymous);
    if (jwt !== undefined) {
      const key =
        jwt.key.kind === "publicKeyFile" ? ({ kind: "publicKey", text: readText(jwt.key.path) } as const) : jwt.key;
      by.jwt = jwtAuthenticator({ ...jwt, key, tokenBytesMax }, { clock });
    }
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(exitCodes.usage, (error as Error).message, { cause: error });
  }
  return authenticator(by);
}
