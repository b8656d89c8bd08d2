/**
 * Decides who asks and what they may do: an API key or a client's JWT, each with a role. Nothing is allowed without.
 *
 * viewer reads · operator also publishes, disconnects, expires, drains, diagnoses · admin also changes the
 * configuration. A JWT without a role may still publish and read what its claims cover.
 * @module
 */
import { createHash } from "node:crypto";
import type { Authentication, Authenticator, Clock } from "../../runtime/ports.ts";
import { type Role, roles } from "../../runtime/role.ts";
import { ProblemError } from "./problem.ts";

export type Caller = {
  /** For the audit: `key <name>`, `user <subject>`, or `anonymous`. */
  readonly who: string;
  /** Of a client: what its token says. Anonymous: "". */
  readonly subject?: string;
  readonly role: Role | undefined;
  /** Filters beside the role. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly expiresAt?: number;
};

/** `digest`: SHA-256 of the key, hexadecimal; the key itself is nowhere. */
export type ApiKey = { readonly name: string; readonly role: Role; readonly digest: string };

const keyRule = /^([A-Za-z0-9._-]{1,64}):(viewer|operator|admin):([0-9a-f]{64})$/;

/** Why `text` is no API key, as a sentence; `undefined` when it is one. */
export function apiKeyProblem(text: string): string | undefined {
  if (keyRule.test(text)) return undefined;
  return `must be <name>:<viewer|operator|admin>:<SHA-256 of the key, 64 hexadecimal digits>, got ${text.length} characters`;
}

/** Of texts without a problem. */
export function apiKeys(texts: readonly string[]): readonly ApiKey[] {
  return texts.map((text) => {
    const [name = "", role = "viewer", digest = ""] = text.split(":");
    return { name, role: role as Role, digest };
  });
}

export function keyDigest(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

export function mayAct(caller: Caller, needed: Role): boolean {
  return caller.role !== undefined && roles.indexOf(caller.role) >= roles.indexOf(needed);
}

export type AccessParts = {
  readonly keys: () => readonly ApiKey[];
  readonly authenticator: Authenticator;
  readonly clock: Clock;
};

const keyCharsMax = 8_192;

export class Access {
  readonly #parts: AccessParts;

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  /** Throws a problem when nobody is told, or nobody that is known. */
  async callerOf(headers: Headers): Promise<Caller> {
    const token = tokenIn(headers);
    if (token === undefined) {
      const how = "Authorization: Bearer <API key or JWT>";
      throw new ProblemError(401, "unauthenticated", `No credentials were given, send ${how}`);
    }
    return this.#keyCaller(token) ?? (await this.#userCaller(token));
  }

  /** As `callerOf`; who has no credentials is let in where clients are that have none. */
  async clientOf(headers: Headers): Promise<Caller> {
    if (tokenIn(headers) !== undefined) return this.callerOf(headers);
    const { identity } = await this.#identified(undefined);
    return { who: "anonymous", subject: identity.subject, role: undefined, publish: [], subscribe: [] };
  }

  /** Of somebody who was let in before: a key may be withdrawn, a token runs out. */
  holds({ who, role, expiresAt }: Caller): boolean {
    if (who.startsWith("user ")) return expiresAt === undefined || this.#parts.clock.now() < expiresAt;
    return this.#parts.keys().some((key) => `key ${key.name}` === who && key.role === role);
  }

  #keyCaller(token: string): Caller | undefined {
    const digest = keyDigest(token);
    const key = this.#parts.keys().find((one) => one.digest === digest);
    if (key === undefined) return undefined;
    const { name, role } = key;
    return { who: `key ${name}`, role, publish: [], subscribe: [] };
  }

  async #userCaller(token: string): Promise<Caller> {
    const { identity } = await this.#identified(token);
    const { subject, role, publish, subscribe, expiresAt } = identity;
    const until = expiresAt === undefined ? {} : { expiresAt };
    return { who: `user ${subject}`, subject, role, publish, subscribe, ...until };
  }

  async #identified(token: string | undefined): Promise<Extract<Authentication, { ok: true }>> {
    let answer: Authentication;
    try {
      answer = await this.#parts.authenticator.authenticate(token);
    } catch {
      throw new ProblemError(503, "authenticationUnavailable", "The signing keys cannot be had now, try again");
    }
    if (answer.ok) return answer;
    const said = token === undefined ? answer.message : unknownText(token, answer.message);
    throw new ProblemError(401, answer.code, said);
  }
}

/** Three parts make a JWT: what else is sent was meant as a key. */
function unknownText(token: string, message: string): string {
  if (token.split(".").length !== 3) return "The API key is not known here: no key of security.apiKeys is this one";
  return `Neither an API key nor a token: ${message}`;
}

function tokenIn(headers: Headers): string | undefined {
  const [, bearer] = /^Bearer +([^\s]+)$/i.exec(headers.get("authorization") ?? "") ?? [];
  const token = bearer ?? headers.get("x-api-key") ?? undefined;
  if (token !== undefined && token.length > keyCharsMax)
    throw new ProblemError(401, "tokenInvalid", `Credentials of ${token.length} characters, at most ${keyCharsMax}`);
  return token === "" ? undefined : token;
}
