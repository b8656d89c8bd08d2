/**
 * Decides which settings a gateway runs with: defaults < profile < profile's file < file < environment < flags <
 * changes at run time. Either a whole configuration, or every problem at once with where it came from; never half of one.
 *
 * Pure except for the given `readFile`.
 * @module
 */
import type { z } from "zod";
import { flatSettings, settings, settingsTree } from "./describe.ts";
import { configFileVariable } from "./names.ts";
import { type Config, decideConfig, profileOfHost, profileSettings } from "./profile.ts";
import { configSchema, type Profile, profiles } from "./schema.ts";
import { fromEnvironment, fromFile, fromFlags, type Given, type Problem, type Source } from "./sources.ts";

export type ConfigSources = {
  /** By name without dashes, `config` included; undefined: not given. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws when the file cannot be read. */
  readonly readFile: (path: string) => string;
};

/** Value and origin of a setting; a value that is undefined: it has none. */
export type Resolved = ReadonlyMap<string, { readonly value: unknown; readonly origin: string }>;

export type Loaded =
  | { readonly ok: true; readonly config: Config; readonly resolved: Resolved }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Origin of the profile where nobody names it. */
export const profileByHost = "by websocket.host";

const nothing: Source = { given: [], problems: [] };

/** `changes`: what was changed at run time. */
export function loadConfig(sources: ConfigSources, changes: readonly Given[] = []): Loaded {
  const { config: _, ...flags } = sources.flags;
  const path = configPath(sources);
  const file = path === undefined ? nothing : readConfigFile(path, sources.readFile);
  const named = [file, fromEnvironment(sources.env), fromFlags(flags)];
  const profile = profileOf(named.flatMap(({ given }) => given));
  const layers: readonly Source[] = [
    builtIn(profile),
    path === undefined ? nothing : readProfileFile(profileFile(path, profile), sources.readFile),
    ...named,
    { given: changes, problems: [] },
  ];
  const problems = layers.flatMap((layer) => layer.problems);
  const given = new Map(layers.flatMap((layer) => layer.given).map((one) => [one.setting, one] as const));
  const decided = decideGiven(profile, given);
  if (decided.ok && problems.length === 0) return decided;
  return { ok: false, problems: [...problems, ...(decided.ok ? [] : decided.problems)] };
}

/** A configuration of settings whose sources are settled already. */
export function decideResolved(resolved: Resolved): Loaded {
  const given = new Map<string, Given>();
  for (const [setting, { value, origin: where }] of resolved)
    if (value !== undefined) given.set(setting, { setting, value, where });
  return decideGiven(profileOf([...given.values()]), given);
}

function decideGiven(profile: Profile, given: ReadonlyMap<string, Given>): Loaded {
  const values = Array.from(given.values(), ({ setting, value }) => [setting, value] as const);
  const parsed = configSchema.safeParse(settingsTree(values));
  if (!parsed.success) return { ok: false, problems: parsed.error.issues.map((issue) => problemOf(issue, given)) };
  const decided = decideConfig(profile, parsed.data);
  if (!decided.ok) {
    const { contradictions } = decided;
    return {
      ok: false,
      problems: contradictions.map(({ settings: names, message }) => ({
        where: originOf(names, given),
        message,
        // What was given, not a default that it contradicts.
        settings: names.toSorted((a, b) => Number(given.has(b)) - Number(given.has(a))),
      })),
    };
  }
  const flat = flatSettings(parsed.data);
  const resolved = new Map(
    Array.from(flat, ([name, value]) => [name, { value, origin: given.get(name)?.where ?? "default" }] as const),
  );
  if (!given.has("profile")) resolved.set("profile", { value: profile, origin: profileByHost });
  return { ok: true, config: decided.config, resolved };
}

/** One line for people. */
export function problemLine(problem: Problem): string {
  return `${problem.where}: ${problem.message}`;
}

/** Files that settings come from, the profile's first; one of them may not exist. */
export function configFiles(sources: ConfigSources, profile: Profile): readonly string[] {
  const path = configPath(sources);
  return path === undefined ? [] : [profileFile(path, profile), path];
}

function configPath({ flags, env }: ConfigSources): string | undefined {
  return flags["config"] ?? env[configFileVariable];
}

/** `/etc/weir/weir.yaml` → `/etc/weir/weir.production.yaml`. */
function profileFile(path: string, profile: Profile): string {
  const [, stem = path, ending = ""] = /^(.*?[^/\\])(\.[^./\\]+)?$/.exec(path) ?? [];
  return `${stem}.${profile}${ending}`;
}

/** What the sources name, or what the host means. A profile that is none is the schema's to refuse. */
function profileOf(given: readonly Given[]): Profile {
  const last = (setting: string): unknown => given.findLast((one) => one.setting === setting)?.value;
  const named = profiles.find((profile) => profile === last("profile"));
  return named ?? profileOfHost(last("websocket.host") ?? settings.get("websocket.host")?.default);
}

function builtIn(profile: Profile): Source {
  const where = `profile ${profile}`;
  return {
    given: Object.entries(profileSettings[profile]).map(([setting, value]) => ({ setting, value, where })),
    problems: [],
  };
}

function readConfigFile(path: string, readFile: (path: string) => string): Source {
  try {
    return fromFile(path, readFile(path));
  } catch (error) {
    return { given: [], problems: [{ where: path, message: `Cannot be read: ${(error as Error).message}` }] };
  }
}

/** It need not exist, and cannot name the profile: it was found by that. */
function readProfileFile(path: string, readFile: (path: string) => string): Source {
  let content: string;
  try {
    content = readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return nothing;
    return { given: [], problems: [{ where: path, message: `Cannot be read: ${(error as Error).message}` }] };
  }
  const { given, problems } = fromFile(path, content);
  const own = given.find(({ setting }) => setting === "profile");
  if (own === undefined) return { given, problems };
  return { given, problems: [...problems, { where: own.where, message: "The file of a profile cannot name another" }] };
}

function problemOf(issue: z.core.$ZodIssue, given: ReadonlyMap<string, Given>): Problem {
  const path = issue.path.map(String);
  const setting = path.join(".");
  // An item of a list is reported at the list.
  const owner = path.map((_, index) => path.slice(0, path.length - index).join(".")).find((name) => given.has(name));
  const one = owner === undefined ? undefined : given.get(owner);
  if (one === undefined || owner === undefined) {
    return {
      where: originOf([path.slice(0, -1).join(".")], given),
      message: `${setting} is missing`,
      settings: [setting],
    };
  }
  const named = one.where.endsWith(setting) ? "" : `${setting}: `;
  return { where: one.where, message: `${named}${complaint(issue, owner, one.value)}`, settings: [owner] };
}

/** What is allowed and what was given; a secret only by its length. */
function complaint(issue: z.core.$ZodIssue, setting: string, value: unknown): string {
  if (issue.code === "custom") return issue.message; // Ours, with the value in it.
  const { range = "", secret = false } = settings.get(setting) ?? {};
  const got = secret ? `${String(value).length} characters` : JSON.stringify(value);
  return `${issue.code === "invalid_format" ? issue.message : `must be ${range}`}, got ${got}`;
}

/** Where the settings that take part were given; when none was, the rule is about a default. */
function originOf(names: readonly string[], given: ReadonlyMap<string, Given>): string {
  const involved = [...given.values()].filter((one) =>
    names.some((name) => one.setting === name || one.setting.startsWith(`${name}.`)),
  );
  return involved.length === 0 ? "configuration" : involved.map((one) => one.where).join(", ");
}
