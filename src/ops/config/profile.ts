/**
 * Decides what the settings mean together: what a profile allows, which keys a token is checked with, which
 * limits are in force. Refuses settings that contradict each other.
 *
 * Pure.
 * @module
 */
import { AssertionError } from "../../protocol/assert.ts";
import { assertLimits, type Limits, limits } from "../../protocol/limits.ts";
import { developmentOrigins } from "../../runtime/origin.ts";
import { decideLogStore, type LogStore } from "./log-store.ts";
import type { JwtAlgorithm, Settings } from "./schema.ts";

export type JwtConfig = {
  readonly algorithms: readonly JwtAlgorithm[];
  readonly key:
    | { readonly kind: "secret"; readonly secret: string }
    | { readonly kind: "publicKeyFile"; readonly path: string }
    | { readonly kind: "jwks"; readonly url: string };
  readonly issuer?: string;
  readonly audience?: string;
};

/** What a gateway runs with; nothing in it is left to be decided. */
export type Config = {
  readonly profile: "development" | "production";
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly node?: string;
    readonly tls?: { readonly cert: string; readonly key: string };
  };
  readonly log: {
    /** For people. */
    readonly url: string;
    readonly store: LogStore;
    readonly retention: Settings["log"]["retention"];
  };
  readonly security: {
    readonly anonymous: {
      readonly allow: boolean;
      readonly publish: readonly string[];
      readonly subscribe: readonly string[];
    };
    readonly jwt?: JwtConfig;
    readonly origins: readonly string[];
  };
  readonly sessionsMax: number;
  readonly limits: Limits;
  readonly logging: Settings["logging"];
};

/** A contradiction: the settings that take part in it, and what would be right. */
export type Contradiction = { readonly settings: readonly string[]; readonly message: string };
export type Decided =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly contradictions: readonly Contradiction[] };

const loopbackHosts = new Set(["127.0.0.1", "::1", "localhost"]);

export function decideConfig(settings: Settings): Decided {
  const contradictions: Contradiction[] = [];
  const { server, security, log, logging } = settings;
  const profile = settings.profile ?? (loopbackHosts.has(server.host) ? "development" : "production");
  const development = profile === "development";
  const allow = security.anonymous.allow ?? development;
  if (!allow && security.jwt === undefined) {
    contradictions.push({
      settings: ["security.jwt", "security.anonymous.allow"],
      message:
        "Nobody could connect: the production profile needs security.jwt (secret, publicKeyFile or jwksUrl), " +
        "or security.anonymous.allow set to true",
    });
  }
  const jwt = security.jwt === undefined ? undefined : decideJwt(security.jwt, contradictions);
  const inForce = decideLimits(settings, contradictions);
  const store = decideLogStore(log, contradictions);
  if (contradictions.length > 0) return { ok: false, contradictions };
  return {
    ok: true,
    config: {
      profile,
      server: present(server),
      log: { url: log.url, store, retention: log.retention },
      security: {
        anonymous: { ...security.anonymous, allow },
        ...(jwt === undefined ? {} : { jwt }),
        origins: security.origins ?? (development ? developmentOrigins : []),
      },
      sessionsMax: settings.sessions.max,
      limits: inForce,
      logging,
    },
  };
}

/**
 * A public key must never serve as an HMAC secret: the algorithms are those of the one kind of key given.
 */
function decideJwt(
  jwt: NonNullable<Settings["security"]["jwt"]>,
  contradictions: Contradiction[],
): JwtConfig | undefined {
  const keys: JwtConfig["key"][] = [];
  if (jwt.secret !== undefined) keys.push({ kind: "secret", secret: jwt.secret });
  if (jwt.publicKeyFile !== undefined) keys.push({ kind: "publicKeyFile", path: jwt.publicKeyFile });
  if (jwt.jwksUrl !== undefined) keys.push({ kind: "jwks", url: jwt.jwksUrl });
  const [key] = keys;
  if (key === undefined || keys.length > 1) {
    contradictions.push({
      settings: ["security.jwt"],
      message: `Expected exactly one of secret, publicKeyFile, jwksUrl, got ${keys.length}`,
    });
    return undefined;
  }
  const fitting: readonly JwtAlgorithm[] = key.kind === "secret" ? ["HS256"] : ["RS256", "EdDSA"];
  const algorithms = jwt.algorithms ?? fitting;
  const wrong = algorithms.filter((algorithm) => !fitting.includes(algorithm));
  if (wrong.length > 0) {
    contradictions.push({
      settings: ["security.jwt.algorithms"],
      message: `${wrong.join(", ")} does not go with ${key.kind}, expected ${fitting.join(" or ")}`,
    });
  }
  const { issuer, audience } = jwt;
  return {
    algorithms,
    key,
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience }),
  };
}

function decideLimits(settings: Settings, contradictions: Contradiction[]): Limits {
  const given = Object.entries(settings.limits).filter(([, value]) => value !== undefined);
  const resumeWindowMs = settings.sessions.resumeWindowMs;
  if (resumeWindowMs !== undefined && settings.limits.resumeWindowMs !== undefined) {
    contradictions.push({
      settings: ["sessions.resumeWindowMs", "limits.resumeWindowMs"],
      message: "Both name the same limit, set one of them",
    });
  }
  const window = resumeWindowMs === undefined ? {} : { resumeWindowMs };
  const inForce: Limits = { ...limits, ...Object.fromEntries(given), ...window };
  try {
    assertLimits(inForce);
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    const set = given.map(([name, value]): [string, number | undefined] => [`limits.${name}`, value]);
    if (resumeWindowMs !== undefined) set.push(["sessions.resumeWindowMs", resumeWindowMs]);
    contradictions.push({
      settings: set.map(([name]) => name),
      message: `With ${set.map(([name, value]) => `${name} = ${value}`).join(", ")} this does not hold: ${error.message}`,
    });
  }
  return inForce;
}

/** Without the names that hold nothing. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
