/**
 * Decides which settings a gateway runs with: defaults < file < environment < flags. Either a whole
 * configuration, or every problem at once with where it came from; never half of one.
 *
 * Pure except for the given `readFile`.
 * @module
 */
import type { z } from "zod";
import { type Config, decideConfig } from "./profile.ts";
import { configSchema, expectation } from "./schema.ts";
import {
  configFileVariable,
  fromEnvironment,
  fromFile,
  fromFlags,
  type Given,
  type Problem,
  type Source,
} from "./sources.ts";

export type ConfigSources = {
  /** By name without dashes, `config` included; undefined: not given. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
};

export type Loaded =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function loadConfig(sources: ConfigSources): Loaded {
  const { config: path = sources.env[configFileVariable], ...flags } = sources.flags;
  const layers: readonly Source[] = [
    path === undefined ? { given: [], problems: [] } : readConfigFile(path, sources.readFile),
    fromEnvironment(sources.env),
    fromFlags(flags),
  ];
  const problems = layers.flatMap((layer) => layer.problems);
  const given = new Map(layers.flatMap((layer) => layer.given).map((one) => [one.setting, one] as const));
  const parsed = configSchema.safeParse(nested(given));
  if (!parsed.success) {
    return { ok: false, problems: [...problems, ...parsed.error.issues.map((issue) => problemOf(issue, given))] };
  }
  const decided = decideConfig(parsed.data);
  if (!decided.ok) {
    for (const { settings, message } of decided.contradictions)
      problems.push({ where: originOf(settings, given), message });
    return { ok: false, problems };
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: decided.config };
}

/** One line for people. */
export function problemLine(problem: Problem): string {
  return `${problem.where}: ${problem.message}`;
}

function readConfigFile(path: string, readFile: (path: string) => string): Source {
  try {
    return fromFile(path, readFile(path));
  } catch (error) {
    return { given: [], problems: [{ where: path, message: `Cannot be read: ${(error as Error).message}` }] };
  }
}

/** Dotted names as a tree, with the sections that the schema expects even where nothing is given. */
function nested(given: ReadonlyMap<string, Given>): unknown {
  type Tree = { [key: string]: unknown };
  const root: Tree = {
    server: {},
    log: { retention: {}, nats: {} },
    security: { anonymous: {} },
    sessions: {},
    limits: {},
    logging: {},
  };
  for (const { setting, value } of given.values()) {
    const names = setting.split(".");
    const last = names.pop() as string;
    let section = root;
    for (const name of names) {
      section[name] ??= {};
      section = section[name] as Tree;
    }
    section[last] = value;
  }
  return root;
}

function problemOf(issue: z.core.$ZodIssue, given: ReadonlyMap<string, Given>): Problem {
  const path = issue.path.map(String);
  const setting = path.join(".");
  // An item of a list is reported at the list.
  const owner = path.map((_, index) => path.slice(0, path.length - index).join(".")).find((name) => given.has(name));
  const one = owner === undefined ? undefined : given.get(owner);
  if (one === undefined || owner === undefined) {
    return { where: originOf([path.slice(0, -1).join(".")], given), message: `${setting} is missing` };
  }
  const named = one.where.endsWith(setting) ? "" : `${setting}: `;
  return { where: one.where, message: `${named}${complaint(issue, owner, one.value)}` };
}

/** What is allowed and what was given; a secret only by its length. */
function complaint(issue: z.core.$ZodIssue, setting: string, value: unknown): string {
  if (issue.code === "custom") return issue.message; // Ours, with the value in it.
  const allowed = issue.code === "invalid_format" ? undefined : expectation(setting);
  const got = /secret|password|token/i.test(setting) ? `${String(value).length} characters` : JSON.stringify(value);
  return `${allowed === undefined ? issue.message : `must be ${allowed}`}, got ${got}`;
}

/** Where the settings that take part were given; when none was, the rule is about a default. */
function originOf(settings: readonly string[], given: ReadonlyMap<string, Given>): string {
  const involved = [...given.values()].filter((one) =>
    settings.some((setting) => one.setting === setting || one.setting.startsWith(`${setting}.`)),
  );
  return involved.length === 0 ? "configuration" : involved.map((one) => one.where).join(", ");
}
