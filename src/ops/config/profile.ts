/**
 * Decides what the settings mean together: what a profile allows, which keys a token is checked with, which
 * limits are in force. Refuses settings that contradict each other.
 *
 * Pure.
 * @module
 */
import { type LimitName, type Limits, limitsProblems } from "../../protocol/limits.ts";
import { developmentOrigins } from "../../runtime/origin.ts";
import { decideLogStore, type LogStore } from "./log-store.ts";
import type { JwtAlgorithm, Profile, Settings } from "./schema.ts";

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
  readonly profile: Profile;
  readonly websocket: {
    readonly host: string;
    readonly port: number;
    readonly tls?: { readonly cert: string; readonly key: string };
    readonly sessionsMax: number;
    readonly inflowBytesMax: number;
    readonly backpressureBytesMax: number;
    readonly plainRoutes: readonly string[];
    readonly limits: Limits;
  };
  readonly log: {
    /** For people. */
    readonly url: string;
    readonly store: LogStore;
    readonly retention: Settings["log"]["retention"];
  };
  readonly discovery: {
    readonly node?: string;
    readonly url?: string;
    readonly zone?: string;
    readonly location?: { readonly latitude: number; readonly longitude: number };
    readonly weight: number;
    /** One of both. */
    readonly accelerator?: { readonly file?: string; readonly command?: string };
  };
  readonly balancing: Settings["balancing"];
  readonly scaling: Settings["scaling"];
  readonly security: {
    readonly anonymous: Settings["security"]["anonymous"];
    readonly jwt?: JwtConfig;
    readonly origins: readonly string[];
    readonly apiKeys: readonly string[];
  };
  readonly logging: Settings["logging"];
  readonly monitoring: {
    readonly history: boolean;
    /** Absent: off. */
    readonly tracing?: TracingConfig;
  };
  readonly cache: Settings["cache"];
  readonly lifecycle: Settings["lifecycle"];
  readonly persistence: Settings["persistence"];
};

export type TracingConfig = {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly ratio: number;
  readonly service: string;
};

/** A contradiction: the settings that take part in it, and what would be right. */
export type Contradiction = { readonly settings: readonly string[]; readonly message: string };
export type Decided =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly contradictions: readonly Contradiction[] };

const loopbackHosts = new Set(["127.0.0.1", "::1", "localhost"]);

/** What the profile decides where nobody says otherwise. */
export const profileSettings: { readonly [P in Profile]: Readonly<Record<string, unknown>> } = {
  development: { "security.anonymous.allow": true, "security.origins": developmentOrigins },
  testing: {
    "security.anonymous.allow": true,
    "security.origins": developmentOrigins,
    "log.url": "memory",
    "logging.level": "warn",
  },
  production: { "security.anonymous.allow": false, "security.origins": [] },
};

/** The profile where none is named: only on a loopback host may anybody come in. */
export function profileOfHost(host: unknown): Profile {
  return loopbackHosts.has(String(host)) ? "development" : "production";
}

export function decideConfig(profile: Profile, settings: Settings): Decided {
  const contradictions: Contradiction[] = [];
  const { websocket, security, log, logging, discovery, monitoring, cache, lifecycle, persistence } = settings;
  const { balancing, scaling } = settings;
  if (!security.anonymous.allow && security.jwt === undefined) {
    contradictions.push({
      settings: ["security.jwt", "security.anonymous.allow"],
      message:
        "Nobody could connect: the production profile needs security.jwt (secret, publicKeyFile or jwksUrl), " +
        "or security.anonymous.allow set to true",
    });
  }
  const jwt = security.jwt === undefined ? undefined : decideJwt(security.jwt, contradictions);
  checkLimits(settings, contradictions);
  if (discovery.accelerator?.file !== undefined && discovery.accelerator.command !== undefined) {
    const settings = ["discovery.accelerator.file", "discovery.accelerator.command"];
    contradictions.push({ settings, message: "Name a file or a command, not both" });
  }
  const store = decideLogStore(log, contradictions);
  const tracing = decideTracing(monitoring.tracing, contradictions);
  if (contradictions.length > 0) return { ok: false, contradictions };
  return {
    ok: true,
    config: {
      profile,
      websocket: present(websocket),
      log: { url: log.url, store, retention: log.retention },
      discovery: decideDiscovery(discovery),
      balancing,
      scaling,
      security: {
        anonymous: security.anonymous,
        ...(jwt === undefined ? {} : { jwt }),
        origins: security.origins,
        apiKeys: security.apiKeys,
      },
      logging,
      monitoring: { history: monitoring.history, ...(tracing === undefined ? {} : { tracing }) },
      cache,
      lifecycle,
      persistence,
    },
  };
}

function decideTracing(
  tracing: Settings["monitoring"]["tracing"],
  contradictions: Contradiction[],
): TracingConfig | undefined {
  const { endpoint, headers = [], ratio, service } = tracing;
  if (endpoint === undefined) {
    if (headers.length > 0)
      contradictions.push({
        settings: ["monitoring.tracing.headers"],
        message: "Headers for spans without monitoring.tracing.endpoint, where they would go",
      });
    return undefined;
  }
  const pairs = headers.map((header) => {
    const at = header.indexOf("=");
    return [header.slice(0, at), header.slice(at + 1)] as const;
  });
  return { endpoint, headers: Object.fromEntries(pairs), ratio, service };
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

function checkLimits({ websocket }: Settings, contradictions: Contradiction[]): void {
  const setting = (name: LimitName): string => `websocket.limits.${name}`;
  for (const { names, message } of limitsProblems(websocket.limits, setting))
    contradictions.push({ settings: names.map(setting), message });
}

/** Without the names that hold nothing. */
function decideDiscovery({ accelerator, ...others }: Settings["discovery"]): Config["discovery"] {
  const isThere = accelerator?.file !== undefined || accelerator?.command !== undefined;
  return { ...present(others), ...(isThere ? { accelerator: present(accelerator) } : {}) };
}

function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
