/**
 * Turns a configuration file, the environment and flags into settings that remember where they came from.
 *
 * Pure. Refuses what it does not know, with what it would have known; which values are good is the schema's.
 * @module
 */
import { parse } from "yaml";
import { settingKinds } from "./schema.ts";

/** One setting from one source. `where` is for people: `weir.yaml: server.port`, `environment WEIR_PORT`. */
export type Given = { readonly setting: string; readonly value: unknown; readonly where: string };
export type Problem = { readonly where: string; readonly message: string };
export type Source = { readonly given: readonly Given[]; readonly problems: readonly Problem[] };

/** Short names of the settings that people set most. */
const shortEnvironment: Readonly<Record<string, string>> = {
  WEIR_PROFILE: "profile",
  WEIR_HOST: "server.host",
  WEIR_PORT: "server.port",
  WEIR_LOG: "log.url",
  WEIR_LOG_LEVEL: "logging.level",
};
export const shortFlags: Readonly<Record<string, string>> = {
  profile: "profile",
  host: "server.host",
  port: "server.port",
  log: "log.url",
  "log-level": "logging.level",
};
export const configFileVariable = "WEIR_CONFIG";
/** Not a gateway's: the other commands read them. */
const clientVariables = ["WEIR_URL", "WEIR_TOKEN"];

/** `server.tls.cert` → `WEIR_SERVER__TLS__CERT`, `limits.frameBytesMax` → `WEIR_LIMITS__FRAME_BYTES_MAX`. */
function environmentName(setting: string): string {
  const words = setting.replaceAll(".", "__").replace(/[A-Z]/g, (letter) => `_${letter}`);
  return `WEIR_${words.toUpperCase()}`;
}

const environmentSettings: ReadonlyMap<string, string> = new Map([
  ...[...settingKinds.keys()].map((setting) => [environmentName(setting), setting] as const),
  ...Object.entries(shortEnvironment),
]);

export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("WEIR_") || value === undefined) continue;
    if (name === configFileVariable || clientVariables.includes(name)) continue;
    const where = `environment ${name}`;
    const setting = environmentSettings.get(name);
    if (setting !== undefined) given.push({ setting, value: typed(setting, value), where });
    else problems.push({ where, message: `Unknown variable, ${nearest(name, [...environmentSettings.keys()])}` });
  }
  return { given, problems };
}

/** `flags` by name without dashes: short names, or a setting's dotted name. */
export function fromFlags(flags: Readonly<Record<string, string | undefined>>): Source {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const where = `flag --${name}`;
    const setting = shortFlags[name] ?? name;
    if (settingKinds.has(setting)) given.push({ setting, value: typed(setting, value), where });
    else problems.push({ where, message: `Unknown setting, ${nearest(name, [...settingKinds.keys()])}` });
  }
  return { given, problems };
}

/** YAML, of which JSON is a part. */
export function fromFile(path: string, content: string): Source {
  let root: unknown;
  try {
    root = parse(content);
  } catch (error) {
    const [firstLine] = (error as Error).message.split("\n");
    return { given: [], problems: [{ where: path, message: `Not valid YAML or JSON: ${firstLine}` }] };
  }
  if (root === null || root === undefined) return { given: [], problems: [] };
  const source = { given: [] as Given[], problems: [] as Problem[] };
  collect(root, "", path, source);
  return source;
}

function collect(node: unknown, name: string, path: string, out: { given: Given[]; problems: Problem[] }): void {
  const where = name === "" ? path : `${path}: ${name}`;
  if (settingKinds.has(name)) {
    out.given.push({ setting: name, value: node, where });
    return;
  }
  const inside = childrenOf(name);
  if (inside.length === 0) {
    const parent = name.slice(0, Math.max(0, name.lastIndexOf(".")));
    const siblings = childrenOf(parent);
    out.problems.push({
      where,
      message: `Unknown setting, ${nearest(name.slice(name.lastIndexOf(".") + 1), siblings)}`,
    });
  } else if (typeof node !== "object" || Array.isArray(node)) {
    const got = Array.isArray(node) ? "list" : typeof node; // not the value: it may be a secret
    out.problems.push({ where, message: `Expected a section with ${inside.join(", ")}, got a ${got}` });
  } else if (node !== null) {
    for (const [key, value] of Object.entries(node)) {
      collect(value, name === "" ? key : `${name}.${key}`, path, out);
    }
  }
}

/** Names directly inside a section; none when there is no such section. */
function childrenOf(section: string): readonly string[] {
  const prefix = section === "" ? "" : `${section}.`;
  const inside = [...settingKinds.keys()].filter((setting) => setting.startsWith(prefix));
  return [...new Set(inside.map((setting) => setting.slice(prefix.length).split(".")[0] as string))];
}

/** Text as the setting's kind. What does not fit stays text, and the schema says what it expected. */
function typed(setting: string, value: string): unknown {
  switch (settingKinds.get(setting)) {
    case "number":
      return /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
    case "boolean":
      return value === "true" ? true : value === "false" ? false : value;
    case "list":
      return value.split(",").flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));
    default:
      return value;
  }
}

/** The allowed names when they are few, else the one that was probably meant. */
function nearest(name: string, allowed: readonly string[]): string {
  const listMax = 12;
  if (allowed.length <= listMax) return `expected one of: ${allowed.join(", ")}`;
  const [best] = allowed
    .map((candidate) => [candidate, distance(name, candidate)] as const)
    .sort((a, b) => a[1] - b[1]);
  return `did you mean ${best?.[0]}? All of them: weir serve --help`;
}

/** Edit distance (Levenshtein), one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
