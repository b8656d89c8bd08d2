/**
 * Decides who a token names and what it may do.
 *
 * Claims: `sub` (required), `exp`, `nbf`, `iss`, `aud` as in RFC 7519, and
 * `weir: { publish: [filters], subscribe: [filters], role }`; what is absent is not allowed. Time comes from the clock.
 * @module
 */
import { errors, type JWTPayload, jwtVerify } from "jose";
import type { EpochMs } from "../protocol/ids.ts";
import { limits } from "../protocol/limits.ts";
import { filterProblem } from "../protocol/topic.ts";
import { type FetchJwks, type JwtAlgorithm, type JwtKey, SigningKeysUnavailable, verifyKey } from "./auth-keys.ts";
import type { Authentication, Authenticator, Clock, Identity } from "./ports.ts";
import { roles } from "./role.ts";

export type JwtConfig = {
  /** Only these are accepted, and of these only what fits the key. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly key: JwtKey;
  readonly issuer?: string;
  readonly audience?: string;
  /** How far the issuer's clock may be off. @default 5000 */
  readonly clockToleranceMs?: number;
  /** Longer tokens are refused unread. @default 8192 */
  readonly tokenBytesMax?: number;
};

export type JwtPorts = { readonly clock: Clock; readonly fetchJwks?: FetchJwks };

const clockToleranceMs = 5_000;
/** Filters in one claim. */
const filtersMax = 256;

/**
 * Throws when the key cannot be used. `authenticate` rejects with SigningKeysUnavailable while a JWKS cannot
 * be reached: that says nothing about the token.
 */
export function jwtAuthenticator(config: JwtConfig, ports: JwtPorts): Authenticator {
  const { algorithms, key } = verifyKey(config.key, { algorithms: config.algorithms, ...ports });
  const toleranceMs = config.clockToleranceMs ?? clockToleranceMs;
  const bytesMax = config.tokenBytesMax ?? limits.tokenBytesMax;
  const checks = {
    algorithms: [...algorithms],
    clockTolerance: toleranceMs / 1_000,
    ...(config.issuer === undefined ? {} : { issuer: config.issuer }),
    ...(config.audience === undefined ? {} : { audience: config.audience }),
  };
  return {
    async authenticate(token) {
      if (token === undefined) return refuse("unauthenticated", "A token is required");
      if (token.length > bytesMax)
        return refuse("tokenInvalid", `Token has ${token.length} characters; at most ${bytesMax} are allowed`);
      try {
        const { payload } = await jwtVerify(token, key, { ...checks, currentDate: new Date(ports.clock.now()) });
        return identityOf(payload, toleranceMs);
      } catch (error) {
        return refusal(error);
      }
    },
  };
}

/** Everybody without a token is the same nobody, with these permissions. Throws on a bad filter. */
export function anonymousAuthenticator(allowed: Pick<Identity, "publish" | "subscribe">): Authenticator {
  for (const filter of [...allowed.publish, ...allowed.subscribe]) {
    const problem = filterProblem(filter);
    if (problem !== undefined) throw new Error(`Permissions of anonymous clients: ${problem}`);
  }
  const identity: Identity = { subject: "", publish: [...allowed.publish], subscribe: [...allowed.subscribe] };
  return {
    async authenticate(token) {
      if (token === undefined) return { ok: true, identity };
      return refuse("tokenInvalid", "This gateway has no key to check tokens with; connect without one");
    },
  };
}

/** A token is checked, never ignored; without one a client is anonymous where that is allowed. */
export function authenticator(by: { readonly jwt?: Authenticator; readonly anonymous?: Authenticator }): Authenticator {
  const { jwt, anonymous } = by;
  return {
    async authenticate(token) {
      const responsible = token === undefined ? (anonymous ?? jwt) : (jwt ?? anonymous);
      return responsible?.authenticate(token) ?? refuse("unauthenticated", "This gateway lets nobody in");
    },
  };
}

function refuse(code: "unauthenticated" | "tokenInvalid" | "tokenExpired", message: string): Authentication {
  return { ok: false, code, message };
}

function refusal(error: unknown): Authentication {
  if (error instanceof SigningKeysUnavailable) throw error;
  if (error instanceof errors.JWKSTimeout) {
    throw new SigningKeysUnavailable("Signing keys were not answered in time", { cause: error });
  }
  if (error instanceof errors.JWTExpired) return refuse("tokenExpired", "Token has expired");
  if (error instanceof errors.JOSEError) return refuse("tokenInvalid", `Token does not hold: ${error.message}`);
  return refuse("tokenInvalid", "Token cannot be read");
}

function identityOf(payload: JWTPayload, toleranceMs: number): Authentication {
  const { sub, exp, weir = {} } = payload as JWTPayload & { weir?: unknown };
  if (typeof sub !== "string" || sub === "" || sub.length > limits.textBytesMax) {
    return refuse("tokenInvalid", `Claim sub is not a text of 1 to ${limits.textBytesMax} characters`);
  }
  const expiresMs = exp === undefined ? 0 : exp * 1_000 + toleranceMs;
  if (!Number.isSafeInteger(Math.trunc(expiresMs))) return refuse("tokenInvalid", `Claim exp is out of range: ${exp}`);
  const problem = permissionsProblem(weir);
  if (problem !== undefined) return refuse("tokenInvalid", problem);
  const { publish = [], subscribe = [], role } = weir as Partial<Pick<Identity, "publish" | "subscribe" | "role">>;
  const expiry = exp === undefined ? {} : { expiresAt: Math.trunc(expiresMs) as EpochMs };
  const identity = { subject: sub, publish, subscribe, ...expiry, ...(role === undefined ? {} : { role }) };
  return { ok: true, identity };
}

/** Names the place in the claim that is wrong. An unknown name is: a permission misspelt would be no permission. */
function permissionsProblem(weir: unknown): string | undefined {
  if (typeof weir !== "object" || weir === null || Array.isArray(weir)) return "Claim weir is not an object";
  for (const [name, filters] of Object.entries(weir)) {
    if (name === "role") {
      if ((roles as readonly unknown[]).includes(filters)) continue;
      return `Claim weir.role is none of ${roles.join(", ")}`;
    }
    if (name !== "publish" && name !== "subscribe")
      return `Claim weir.${name} is unknown; expected publish, subscribe or role`;
    if (!Array.isArray(filters)) return `Claim weir.${name} is not a list of filters`;
    if (filters.length > filtersMax)
      return `Claim weir.${name} holds ${filters.length} filters; at most ${filtersMax} are allowed`;
    for (const [index, filter] of filters.entries()) {
      const problem = typeof filter === "string" ? filterProblem(filter) : "not a text";
      if (problem !== undefined) return `Claim weir.${name}[${index}]: ${problem}`;
    }
  }
  return undefined;
}
