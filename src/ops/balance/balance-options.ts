/**
 * Decides what the words of `weir balance` ask for: every option in its range, files read, contradictions refused.
 * @module
 */
import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { healthDefaults } from "../../actors/balancer/active-health.ts";
import { type Algorithm, algorithms } from "../../actors/balancer/balancer.ts";
import { ejectionDefaults } from "../../actors/balancer/ejection.ts";
import { duration, oneOf, wholeNumber } from "../cli/arguments.ts";
import { usageError } from "../cli/exit-code.ts";
import { type BackendSpec, backendId, readBackend } from "./backend.ts";
import type { BalanceAdminOptions } from "./balance-admin.ts";
import { balanceLimits } from "./balance-limits.ts";
import type { BalanceOptions } from "./balance-server.ts";
import type { HealthCheck } from "./health-checks.ts";
import { readStickiness, type Stickiness } from "./stickiness.ts";
import { networkProblem } from "./trusted-proxies.ts";

const option = (description: string, valueHint: string, fallback?: string) =>
  ({ type: "string", description, valueHint, ...(fallback === undefined ? {} : { default: fallback }) }) as const;
const minuteMs = 60_000;
const shown = (ms: number): string => (ms % minuteMs === 0 ? `${ms / minuteMs}m` : `${ms / 1_000}s`);
const limit = (name: keyof typeof balanceLimits): string =>
  name.endsWith("Ms") ? shown(balanceLimits[name]) : String(balanceLimits[name]);

/** Where a client is nobody tells the proxy. */
const proxyAlgorithms = algorithms.filter((name) => name !== "geographic");

export const balanceArgs = {
  listen: option("Address and port to listen on", "host:port", "127.0.0.1:8000"),
  backend: option("ws://host:port[,weight=n][,backup]; once for each", "url"),
  discover: option("A gateway that tells the nodes of its cluster, http://host:port; once for each to be asked", "url"),
  "discover-interval": option("Between two questions", "time", "2s"),
  algorithm: option(`${proxyAlgorithms.join(", ")}; by default powerOfTwo, or hash where --sticky is by a key`, "name"),
  sticky: option("none, cookie, ip, header:<name> or query:<name>", "what", "none"),
  "tls-cert": option("Certificate (PEM) to listen with", "file"),
  "tls-key": option("Its key (PEM)", "file"),
  "backend-ca": option("Certificate (PEM) that signs those of wss:// backends", "file"),
  "trust-proxy": option("Address or network whose X-Forwarded-* and Forwarded are believed; once for each", "network"),
  health: option("http, connect or off", "check", "http"),
  "health-path": option("Path that answers 200 while the backend takes clients", "path", "/ready"),
  "health-interval": option("Between two checks", "time", shown(healthDefaults.intervalMs)),
  "health-timeout": option("A check that takes longer is a bad one", "time", "1s"),
  rise: option("Good checks in a row until it is used again", "number", String(healthDefaults.rise)),
  fall: option("Bad checks in a row until it is not used", "number", String(healthDefaults.fall)),
  "eject-after": option(
    "Failures in a row that leave it out for a while; 0: none do",
    "number",
    String(ejectionDefaults.failures),
  ),
  "eject-for": option("For so long the first time", "time", shown(ejectionDefaults.ejectMs)),
  "slow-start": option("The weight of one that comes back grows for so long", "time", "10s"),
  attempts: option("Backends that one request is tried on", "number", limit("attemptsMax")),
  "connect-timeout": option("To reach a backend", "time", limit("connectMs")),
  "answer-timeout": option("From a request sent to the head of its answer", "time", limit("answerMs")),
  "head-timeout": option("For a client to send the head of a request", "time", limit("headMs")),
  "keep-alive": option("A client's connection stays so long between requests", "time", limit("keepAliveMs")),
  "idle-timeout": option("A connection through which nothing goes is closed", "time", limit("idleMs")),
  "connections-max": option("Connections of clients", "number", limit("connectionsMax")),
  "head-bytes-max": option("One request head", "bytes", limit("headBytesMax")),
  "headers-max": option("Headers of one head", "number", limit("headersMax")),
  admin: option("Address and port for metrics and drain, or off", "host:port", "127.0.0.1:9180"),
  "stop-timeout": option("Connections have so long to end when it stops", "time", "10s"),
  "log-level": option("debug (each decision), info, warn, error or silent", "level", "info"),
} as const;

type Values = Readonly<Record<keyof typeof balanceArgs, string | undefined>>;
type Env = Readonly<Record<string, string | undefined>>;
export type BalanceSources = { readonly words: readonly string[]; readonly env: Env; readFile(path: string): string };
export type Balancing = {
  readonly server: BalanceOptions;
  readonly admin: BalanceAdminOptions | undefined;
  readonly stopTimeoutMs: number;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
};

const repeated = ["backend", "discover", "trust-proxy"] as const;
/** Of one question for the nodes of a cluster. */
const discoverTimeoutMs = 2_000;
const dayMs = 86_400_000;

/** The words were found to be known options before. */
export function readBalancing({ words, env, readFile }: BalanceSources): Balancing {
  const kinds = Object.keys(balanceArgs).map((name) => [name, { type: "string", multiple: true }] as const);
  const { values: all } = parseArgs({ args: [...words], options: Object.fromEntries(kinds), strict: true });
  const lists = all as Readonly<Record<string, readonly string[] | undefined>>;
  for (const [name, given] of Object.entries(lists))
    if ((given?.length ?? 0) > 1 && !(repeated as readonly string[]).includes(name))
      throw usageError(`--${name} is given ${given?.length} times, once is enough`);
  const last = (name: string): string | undefined => lists[name]?.at(-1) ?? defaultOf(name);
  const values = Object.fromEntries(Object.keys(balanceArgs).map((name) => [name, last(name)])) as Values;
  const discovery = discoveryOf(values, lists["discover"] ?? [], env["WEIR_TOKEN"]);
  const backends = readBackends(lists["backend"] ?? []);
  if (backends.length === 0 && discovery === undefined)
    throw usageError(
      "Name at least one --backend, as ws://10.0.0.5:8080, or a gateway that knows them with --discover",
    );
  return {
    server: {
      ...addressOf("listen", text(values, "listen")),
      ...choosing(values, backends, discovery !== undefined),
      tls: certificate(values, readFile),
      backendCa: fileAt("backend-ca", values["backend-ca"], readFile),
      trustedProxies: networks(lists["trust-proxy"] ?? []),
      ...checking(values),
      discovery,
      limits: limitsOf(values),
    },
    admin: adminOf(text(values, "admin"), env["WEIR_ADMIN_TOKEN"]),
    stopTimeoutMs: time(values, "stop-timeout"),
    logLevel: oneOf("log-level", text(values, "log-level"), ["debug", "info", "warn", "error", "silent"]),
  };
}

function defaultOf(name: string): string | undefined {
  return (balanceArgs as Readonly<Record<string, { readonly default?: string }>>)[name]?.default;
}

function text(values: Values, name: keyof typeof balanceArgs): string {
  return values[name] ?? "";
}

function readBackends(texts: readonly string[]): readonly BackendSpec[] {
  const specs = texts.map((one) => {
    const spec = readBackend(one);
    if (typeof spec === "string") throw usageError(`--backend: ${spec}`);
    return spec;
  });
  const [twice] = specs.map(backendId).filter((id, at, ids) => ids.indexOf(id) !== at);
  if (twice !== undefined) throw usageError(`--backend names ${twice} twice`);
  return specs;
}

function discoveryOf(values: Values, urls: readonly string[], token: string | undefined) {
  for (const url of urls)
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw usageError(`--discover must be the address of a gateway as http://10.0.0.5:8080, got "${url}"`);
  const intervalMs = time(values, "discover-interval");
  return urls.length === 0 ? undefined : { urls, token, intervalMs, timeoutMs: discoverTimeoutMs };
}

function choosing(values: Values, specs: readonly BackendSpec[], discovers: boolean) {
  const stickiness = readStickiness(text(values, "sticky"));
  if (stickiness === undefined)
    throw usageError(`--sticky must be none, cookie, ip, header:<name> or query:<name>, got "${values.sticky}"`);
  const algorithm = algorithmOf(values.algorithm, stickiness);
  const goesByKey = algorithm === "hash" || algorithm === "consistentHash";
  if (goesByKey && !hasKey(stickiness))
    throw usageError(
      `--algorithm ${algorithm} goes by a key: name one with --sticky ip, header:<name> or query:<name>`,
    );
  if (algorithm === "resourceAware" && !discovers)
    throw usageError("--algorithm resourceAware goes by the load that nodes tell: ask one for it with --discover");
  const slowStartMs = time(values, "slow-start");
  return { specs, stickiness, algorithm, slowStartMs, remembersKeys: hasKey(stickiness) && !goesByKey };
}

function algorithmOf(name: string | undefined, stickiness: Stickiness): Algorithm {
  if (name === undefined) return hasKey(stickiness) ? "hash" : "powerOfTwo";
  return oneOf("algorithm", name, proxyAlgorithms);
}

function hasKey({ by }: Stickiness): boolean {
  return by !== "none" && by !== "cookie";
}

function checking(values: Values) {
  const kind = oneOf("health", text(values, "health"), ["http", "connect", "off"]);
  const path = text(values, "health-path");
  if (!/^\/[\x21-\x7e]*$/.test(path)) throw usageError(`--health-path must be a path as /ready, got "${path}"`);
  const check: HealthCheck = kind === "http" ? { kind, path } : { kind };
  const count = (name: "rise" | "fall") => wholeNumber(name, text(values, name), { min: 1, max: 100 });
  return {
    check,
    checkTimeoutMs: time(values, "health-timeout"),
    health: { intervalMs: time(values, "health-interval"), rise: count("rise"), fall: count("fall") },
    ejection: {
      failures: wholeNumber("eject-after", text(values, "eject-after"), { min: 0, max: 1_000 }),
      ejectMs: time(values, "eject-for"),
    },
  };
}

function limitsOf(values: Values): BalanceOptions["limits"] {
  const whole = (name: keyof typeof balanceArgs, min: number, max: number) =>
    wholeNumber(name, text(values, name), { min, max });
  const headBytesMax = whole("head-bytes-max", 1_024, balanceLimits.heldBytesMax / 2);
  return {
    ...balanceLimits,
    headBytesMax,
    headersMax: whole("headers-max", 1, 10_000),
    connectionsMax: whole("connections-max", 1, 1_000_000),
    attemptsMax: whole("attempts", 1, 100),
    connectMs: time(values, "connect-timeout"),
    answerMs: time(values, "answer-timeout"),
    headMs: time(values, "head-timeout"),
    keepAliveMs: time(values, "keep-alive"),
    idleMs: time(values, "idle-timeout"),
  };
}

function time(values: Values, name: keyof typeof balanceArgs): number {
  const ms = duration(name, text(values, name));
  if (ms <= dayMs && (ms > 0 || name === "slow-start" || name === "stop-timeout")) return ms;
  throw usageError(`--${name} must be at most 24h and more than nothing, got "${values[name]}"`);
}

function addressOf(name: "listen" | "admin", address: string): { readonly hostname: string; readonly port: number } {
  const [, host = "", port = ""] = /^(.*):(\d{1,5})$/.exec(address) ?? [];
  const hostname = host.replace(/^\[(.*)\]$/, "$1");
  if (hostname === "" || (isIP(hostname) === 0 && !/^[a-zA-Z0-9.-]+$/.test(hostname)) || Number(port) > 65_535)
    throw usageError(`--${name} must be an address and a port as 0.0.0.0:8000, got "${address}"`);
  return { hostname, port: Number(port) };
}

function adminOf(address: string, token: string | undefined): BalanceAdminOptions | undefined {
  if (address === "off") return undefined;
  const at = addressOf("admin", address);
  const isLoopback = at.hostname === "localhost" || at.hostname === "::1" || at.hostname.startsWith("127.");
  if (token === undefined && !isLoopback)
    throw usageError(`--admin ${address} can be reached from elsewhere: set WEIR_ADMIN_TOKEN, or use 127.0.0.1`);
  return { ...at, token };
}

function certificate(values: Values, readFile: BalanceSources["readFile"]) {
  const cert = fileAt("tls-cert", values["tls-cert"], readFile);
  const key = fileAt("tls-key", values["tls-key"], readFile);
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined)
    throw usageError("--tls-cert and --tls-key belong together, one is missing");
  return { cert, key };
}

function fileAt(name: string, path: string | undefined, readFile: BalanceSources["readFile"]): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFile(path);
  } catch (error) {
    throw usageError(`--${name} cannot be read: ${(error as Error).message}`);
  }
}

function networks(rules: readonly string[]): readonly string[] {
  for (const rule of rules) {
    const problem = networkProblem(rule);
    if (problem !== undefined) throw usageError(`--trust-proxy: ${problem}`);
  }
  return rules;
}
