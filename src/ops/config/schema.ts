/**
 * Every setting of a gateway: its shape, range, default, meaning, and whether it takes effect without a restart.
 * Unknown settings are errors.
 *
 * Where settings come from and which source wins: load.ts. What a profile decides: profile.ts.
 * @module
 */
import { isIP } from "node:net";
import { z } from "zod";
import { type Limits, limits } from "../../protocol/limits.ts";
import { filterProblem } from "../../protocol/topic.ts";
import { lifecycleEvents } from "../../runtime/lifecycle/fact.ts";
import { fixedLimits } from "../../runtime/live-limits.ts";
import { originRuleProblem } from "../../runtime/origin.ts";
import { plainRouteProblem, plainRoutesDefault } from "../../runtime/plain/route.ts";
import { apiKeyProblem } from "../rest/access.ts";
import { balancing } from "./balancing-settings.ts";
import { discovery } from "./discovery-settings.ts";
import { limitNotes, limitRange, unitOf } from "./limit-settings.ts";
import { logUrlProblem } from "./log-store.ts";
import { checked, noted, whole } from "./setting.ts";

export const profiles = ["development", "testing", "production"] as const;
export type Profile = (typeof profiles)[number];
export const jwtAlgorithms = ["HS256", "RS256", "EdDSA"] as const;
export type JwtAlgorithm = (typeof jwtAlgorithms)[number];

/** HS256 with a shorter secret can be guessed offline from one token. */
const secretCharsMin = 32;
const daysMs = 86_400_000;

const text = z.string().min(1).max(4_096);
const filters = z.array(checked(filterProblem)).max(256);
const origins = z.array(checked(originRuleProblem)).max(256);
const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });
const bound = whole(0, Number.MAX_SAFE_INTEGER);

const limitShape = Object.fromEntries(
  (Object.keys(limits) as (keyof Limits)[]).map((name) => [name, limitSetting(name)]),
) as Record<keyof Limits, z.ZodDefault<z.ZodNumber>>;

const tls = z.strictObject({
  cert: noted(text, { description: "Path of a PEM file; with `websocket.tls.key` the port speaks TLS" }),
  key: noted(text, { description: "Path of a PEM file" }),
});

const websocket = z.strictObject({
  host: noted(checked(hostProblem).default("127.0.0.1"), {
    description: "Address to listen on",
    range: "an IP address or a host name",
  }),
  port: noted(whole(0, 65_535).default(8_080), { description: "Port to listen on; 0: any free one" }),
  tls: tls.optional(),
  sessionsMax: noted(whole(1, 10_000_000).default(100_000), {
    description: "Sessions in memory, attached or waiting to be resumed; more are told to come again",
    unit: "sessions",
    live: true,
  }),
  inflowBytesMax: noted(whole(65_536, 68_719_476_736).default(67_108_864), {
    description: "Publishes that wait for the log, over all connections; past it sockets are not read",
    unit: "bytes",
    live: true,
  }),
  backpressureBytesMax: noted(whole(65_536, 1_073_741_824).default(4_194_304), {
    description: "Buffered for one socket; beyond it the socket is congested",
    unit: "bytes",
  }),
  plainRoutes: noted(
    z
      .array(checked(plainRouteProblem))
      .max(64)
      .default([...plainRoutesDefault]),
    {
      description:
        "Paths that speak plain JSON, and the topic or filter that each reads: `/ws/execution/{id}=execution.{id}`",
      range: "a list of <path>=<filter>, at most 64",
    },
  ),
  limits: z.strictObject(limitShape),
});

const nats = z.strictObject({
  name: noted(
    z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,31}$/, "must be 1 to 32 lower-case letters, digits and dashes, a letter first")
      .default("weir"),
    {
      description: "Separates several Weirs in one account: streams `WEIR…`, subjects `weir.…`",
      range: "1 to 32 lower-case letters, digits and dashes, a letter first",
    },
  ),
  user: noted(text.optional(), {
    description: "With `log.nats.password`; of these four kinds of credentials one at most",
  }),
  password: noted(text.optional(), { description: "Of `log.nats.user`", secret: true }),
  token: noted(text.optional(), { description: "Token that the servers ask for", secret: true }),
  nkeyFile: noted(text.optional(), { description: "Path of a file with the seed of an NKey (`SU…`)" }),
  credentialsFile: noted(text.optional(), {
    description: "Path of a `.creds` file (JWT and seed); read again at every connection",
  }),
  tls: z
    .strictObject({
      ca: noted(text.optional(), { description: "Path of a PEM file: who signed the servers' certificates" }),
      cert: noted(text.optional(), {
        description: "Path of a PEM file, where the servers ask for a client certificate; with `log.nats.tls.key`",
      }),
      key: noted(text.optional(), { description: "Path of a PEM file" }),
    })
    .optional(),
  monitoring: noted(
    z
      .array(z.url({ protocol: /^https?$/, error: "must be http or https URLs" }))
      .max(64)
      .optional(),
    {
      description: "`http://10.0.0.1:8222` of every server: without it tier `r3-sync` is never announced",
    },
  ),
});

const log = z.strictObject({
  url: noted(checked(logUrlProblem).default("embedded:./weir-data"), {
    description:
      "`embedded:<directory>`, `nats://<host>:<port>[,nats://…]` ([log on NATS](#log-on-nats)), or `memory` (nothing survives the process)",
    range: "embedded:<directory>, memory or nats://<host>:<port>[,nats://…]",
  }),
  nats,
  retention: z.strictObject({
    ageMs: noted(bound.default(0), { description: "What is older goes; 0: no bound", unit: "ms", live: true }),
    bytes: noted(bound.default(0), { description: "The oldest beyond goes; 0: no bound", unit: "bytes", live: true }),
    records: noted(bound.default(0), {
      description: "The oldest beyond goes; 0: no bound",
      unit: "records",
      live: true,
    }),
  }),
});

const jwt = z.strictObject({
  algorithms: noted(z.array(z.enum(jwtAlgorithms)).min(1).optional(), {
    description: "`HS256` with a secret; `RS256`, `EdDSA` with a public key or key set. None: those of the key",
    live: true,
  }),
  secret: noted(z.string().min(secretCharsMin).max(4_096).optional(), {
    description: "Of HS256; one of these three",
    live: true,
    secret: true,
  }),
  publicKeyFile: noted(text.optional(), { description: "Path of a PEM file (SPKI)", live: true }),
  jwksUrl: noted(httpUrl.optional(), { description: "URL of a key set", range: "an http or https URL", live: true }),
  issuer: noted(text.optional(), { description: "Demanded `iss`", live: true }),
  audience: noted(text.optional(), { description: "Demanded `aud`", live: true }),
});

const security = z.strictObject({
  anonymous: z.strictObject({
    allow: noted(z.boolean().default(false), {
      description: "Whether a client without a token may connect",
      live: true,
    }),
    publish: noted(filters.default([">"]), {
      description: "Filters that it may publish to",
      range: "a list of filters, at most 256",
      live: true,
    }),
    subscribe: noted(filters.default([">"]), {
      description: "Filters that it may subscribe",
      range: "a list of filters, at most 256",
      live: true,
    }),
  }),
  jwt: jwt.optional(),
  origins: noted(origins.default([]), {
    description:
      "Pages that browsers may connect from, besides the gateway's own: `https://app.example.com`, `*.example.com`, `localhost`, `null`, `*`",
    live: true,
  }),
  apiKeys: noted(z.array(checked(apiKeyProblem)).max(256).default([]), {
    description:
      "Keys of the [REST API](rest.md): `<name>:<role>:<SHA-256 of the key in hexadecimal>`. None: in development and testing one of an administrator is made",
    range: "a list of <name>:<viewer|operator|admin>:<64 hexadecimal digits>, at most 256",
    live: true,
  }),
});

const monitoring = z.strictObject({
  history: noted(z.boolean().default(true), {
    description: "Whether the last 24 hours of its metrics are kept in memory (4 MB)",
  }),
  tracing: z.strictObject({
    endpoint: noted(httpUrl.optional(), {
      description: "Where spans go by OTLP/HTTP: `http://127.0.0.1:4318/v1/traces`. None: no tracing",
      range: "an http or https URL",
    }),
    headers: noted(z.array(checked(headerProblem)).max(32).optional(), {
      description: "Sent with them: `name=value`, the collector's key for example",
      secret: true,
    }),
    ratio: noted(z.number().min(0).max(1).default(0.01), {
      description: "Share of publishes without a trace of their own that begin one",
      live: true,
    }),
    service: noted(z.string().min(1).max(128).default("weir"), { description: "`service.name` of its spans" }),
  }),
});

export const configSchema = z.strictObject({
  profile: noted(z.enum(profiles).optional(), {
    description: "None: `development` on a loopback host, `production` on any other",
  }),
  websocket,
  log,
  discovery,
  balancing,
  scaling: z.strictObject({
    drainTimeoutMs: noted(whole(0, 3_600_000).default(25_000), {
      description:
        "After SIGTERM, how long clients are taken to other gateways before the rest is closed; a process needs up to 20 s more to end",
      unit: "ms",
    }),
  }),
  security,
  logging: z.strictObject({
    level: noted(z.enum(["debug", "info", "warn", "error", "silent"]).default("info"), {
      description: "Least level of the lines that are written",
      live: true,
    }),
  }),
  monitoring,
  cache: z.strictObject({
    recentRecords: noted(whole(64, 10_000_000).default(16_384), {
      description: "Newest records held in memory, so that who is a little behind is not read for from the log",
      unit: "records",
    }),
    recentBytes: noted(whole(65_536, 17_179_869_184).default(16_777_216), {
      description: "The same, in bytes",
      unit: "bytes",
    }),
  }),
  lifecycle: z.strictObject({
    events: noted(z.array(z.enum(lifecycleEvents)).max(lifecycleEvents.length).default([]), {
      description:
        "What of sessions is told to services on `$lifecycle.session.<event>` ([lifecycle](lifecycle.md)); the same at every gateway on a log. None: nothing",
    }),
  }),
  persistence: z.strictObject({
    journalKeepMs: noted(whole(0, 3_660 * daysMs).default(7 * daysMs), {
      description: "How long the journal of an ended session is kept, for replay",
      unit: "ms",
      live: true,
    }),
  }),
});

/** Settings as given, defaults filled in. */
export type Settings = z.output<typeof configSchema>;

function limitSetting(name: keyof Limits): z.ZodDefault<z.ZodNumber> {
  const { min, max } = limitRange(name);
  const description = limitNotes[name].text;
  const unit = unitOf(name);
  return noted(whole(min, max).default(limits[name]), {
    description,
    ...(unit === undefined ? {} : { unit }),
    ...(fixedLimits.has(name) ? {} : { live: true }),
  });
}

/** What the platform would only refuse when it listens: an address with a typing error in it. */
function hostProblem(host: string): string | undefined {
  const isName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$/.test(host) && !/^[\d.]+$/.test(host);
  return isName || isIP(host) !== 0 ? undefined : `must be an IP address or a host name, got "${host.slice(0, 60)}"`;
}

/** A secret: nothing of it is repeated. */
function headerProblem(header: string): string | undefined {
  return /^[!#$%&'*+.^_`|~A-Za-z0-9-]{1,64}=[\t\x20-\x7e]{1,4096}$/.test(header)
    ? undefined
    : `must be name=value, got ${header.length} characters`;
}
