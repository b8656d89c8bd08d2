/**
 * Every setting of a gateway: its shape, range and default. Unknown settings are errors.
 *
 * Where settings come from and which source wins: load.ts. What a profile decides: profile.ts.
 * @module
 */
import { isIP } from "node:net";
import { z } from "zod";
import { type Limits, limits } from "../../protocol/limits.ts";
import { filterProblem } from "../../protocol/topic.ts";
import { originRuleProblem } from "../../runtime/origin.ts";
import { logUrlProblem } from "./log-store.ts";

export const jwtAlgorithms = ["HS256", "RS256", "EdDSA"] as const;
export type JwtAlgorithm = (typeof jwtAlgorithms)[number];

const bound = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const text = z.string().min(1).max(4_096);
const filters = z.array(checked(filterProblem)).max(256);
const origins = z.array(checked(originRuleProblem)).max(256);

const limitShape = Object.fromEntries(Object.keys(limits).map((name) => [name, bound.optional()])) as Record<
  keyof Limits,
  z.ZodOptional<typeof bound>
>;

/** HS256 with a shorter secret can be guessed offline from one token. */
const secretCharsMin = 32;

export const configSchema = z.strictObject({
  /** Absent: development on a loopback host, production on any other. */
  profile: z.enum(["development", "production"]).optional(),
  server: z.strictObject({
    host: checked(hostProblem).default("127.0.0.1"),
    /** 0: any free one. */
    port: z.number().int().min(0).max(65_535).default(8_080),
    /** Name of this gateway for operators and clients. Absent: made at every start. */
    node: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes")
      .optional(),
    /** Paths of PEM files. */
    tls: z.strictObject({ cert: text, key: text }).optional(),
  }),
  log: z.strictObject({
    /** `embedded:<directory>`, `nats://<host>:<port>[,nats://…]`, or `memory` (nothing survives the process). */
    url: checked(logUrlProblem).default("embedded:./weir-data"),
    /** Of a log on NATS. One kind of credentials at most. */
    nats: z.strictObject({
      /** Separates several Weirs in one account: streams WEIR…, subjects weir.… */
      name: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,31}$/, "must be 1 to 32 lower-case letters, digits and dashes, a letter first")
        .default("weir"),
      user: text.optional(),
      password: text.optional(),
      token: text.optional(),
      /** Path of a file with the seed of an NKey. */
      nkeyFile: text.optional(),
      /** Path of a `.creds` file: JWT and seed. */
      credentialsFile: text.optional(),
      /** Paths of PEM files. */
      tls: z.strictObject({ ca: text.optional(), cert: text.optional(), key: text.optional() }).optional(),
      /** Of every server, so that it is known how often they flush. */
      monitoring: z
        .array(z.url({ protocol: /^https?$/, error: "must be http or https URLs" }))
        .max(64)
        .optional(),
    }),
    /** 0: no bound. The strictest one wins. */
    retention: z.strictObject({ ageMs: bound.default(0), bytes: bound.default(0), records: bound.default(0) }),
  }),
  security: z.strictObject({
    anonymous: z.strictObject({
      /** Absent: what the profile says. */
      allow: z.boolean().optional(),
      publish: filters.default([">"]),
      subscribe: filters.default([">"]),
    }),
    jwt: z
      .strictObject({
        algorithms: z.array(z.enum(jwtAlgorithms)).min(1).optional(),
        secret: z.string().min(secretCharsMin).max(4_096).optional(),
        /** Path of a PEM file (SPKI). */
        publicKeyFile: text.optional(),
        jwksUrl: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }).optional(),
        issuer: text.optional(),
        audience: text.optional(),
      })
      .optional(),
    /** Pages that browsers may connect from (rules: src/runtime/origin.ts). Absent: what the profile says. */
    origins: origins.optional(),
  }),
  sessions: z.strictObject({
    /** How long a detached session can be resumed, unless its client asks for another time. */
    resumeWindowMs: bound.optional(),
    /** In memory, attached or waiting to be resumed. */
    max: z.number().int().min(1).max(10_000_000).default(100_000),
  }),
  limits: z.strictObject(limitShape),
  logging: z.strictObject({ level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info") }),
});

/** What the platform would only refuse when it listens: an address with a typing error in it. */
function hostProblem(host: string): string | undefined {
  const isName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$/.test(host) && !/^[\d.]+$/.test(host);
  return isName || isIP(host) !== 0 ? undefined : `must be an IP address or a host name, got "${host.slice(0, 60)}"`;
}

/** Text for which `problemOf` finds no problem. */
function checked(problemOf: (value: string) => string | undefined) {
  return z.string().superRefine((value, context) => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

/** Settings as given, defaults filled in. */
export type Settings = z.output<typeof configSchema>;

export type SettingKind = "text" | "number" | "boolean" | "list";

/** Kind of every setting by its dotted name, for sources that carry text only (environment, flags). */
export const settingKinds: ReadonlyMap<string, SettingKind> = new Map(kindsOf(configSchema, ""));

function kindsOf(schema: z.core.$ZodType, name: string): readonly (readonly [string, SettingKind])[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return kindsOf(schema.unwrap(), name);
  if (schema instanceof z.ZodObject) {
    return Object.entries<z.core.$ZodType>(schema.shape).flatMap(([key, inner]) =>
      kindsOf(inner, name === "" ? key : `${name}.${key}`),
    );
  }
  if (schema instanceof z.ZodNumber) return [[name, "number"]];
  if (schema instanceof z.ZodBoolean) return [[name, "boolean"]];
  return [[name, schema instanceof z.ZodArray ? "list" : "text"]];
}

/** What a setting may hold, for people: range and unit. Undefined for a section. */
export function expectation(setting: string): string | undefined {
  let schema: z.core.$ZodType | undefined = configSchema;
  for (const name of setting.split(".")) {
    const section: z.core.$ZodType | undefined = schema === undefined ? undefined : unwrapped(schema);
    schema = section instanceof z.ZodObject ? section.shape[name] : undefined;
  }
  return schema === undefined ? undefined : expectationOf(unwrapped(schema), setting);
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrapped(schema.unwrap()) : schema;
}

function expectationOf(schema: z.core.$ZodType, setting: string): string | undefined {
  if (schema instanceof z.ZodObject) return undefined;
  if (schema instanceof z.ZodNumber) {
    const { minValue, maxValue } = schema;
    const range = maxValue === Number.MAX_SAFE_INTEGER ? `, at least ${minValue}` : ` from ${minValue} to ${maxValue}`;
    return `a whole number${unitOf(setting)}${range}`;
  }
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(", ")}`;
  if (schema instanceof z.ZodArray) {
    const item: z.core.$ZodType = schema.element;
    return item instanceof z.ZodEnum ? `a list of ${item.options.join(", ")}` : "a list of texts, at most 256";
  }
  const { minLength, maxLength } = schema as z.ZodString;
  return minLength === null || maxLength === null ? "text" : `text of ${minLength} to ${maxLength} characters`;
}

/** The name says it: a unit stands last, before Max or Min. */
function unitOf(setting: string): string {
  const [, unit] = /(Ms|[bB]ytes|[rR]ecords)(?:Max|Min)?$/.exec(setting) ?? [];
  return unit === undefined ? "" : unit === "Ms" ? " of milliseconds" : ` of ${unit.toLowerCase()}`;
}
