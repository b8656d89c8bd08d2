/**
 * Turns a configuration file, the environment, flags and changes at run time into settings that remember where they
 * came from.
 *
 * Pure. Refuses what it does not know, with what it would have known; which values are good is the schema's.
 * @module
 */
import { parse } from "yaml";
import { emptySections, settings } from "./describe.ts";
import { configFileVariable, environmentSettings, knownNames, settingNamed, settingOfFlag } from "./names.ts";
import { expected, nearest } from "./nearest.ts";

/** One setting from one source. `where` is for people: `weir.yaml: websocket.port`, `environment WEIR_PORT`. */
export type Given = { readonly setting: string; readonly value: unknown; readonly where: string };
export type Problem = {
  readonly where: string;
  readonly message: string;
  /** Those that take part in it, where they are known. */
  readonly settings?: readonly string[];
};
export type Source = { readonly given: readonly Given[]; readonly problems: readonly Problem[] };

/** Not a gateway's: the other commands read them. */
const clientVariables = ["WEIR_URL", "WEIR_TOKEN", "WEIR_API_KEY"];

export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("WEIR_") || value === undefined) continue;
    if (name === configFileVariable || clientVariables.includes(name)) continue;
    const where = `environment ${name}`;
    const setting = environmentSettings.get(name);
    if (setting !== undefined) given.push({ setting, value: typed(setting, value), where });
    else problems.push({ where, message: `Unknown variable, ${known(name, [...environmentSettings.keys()])}` });
  }
  return { given, problems: [...problems, ...doubles(given)] };
}

/** `flags` by name without dashes: short names, or a setting's dotted name. */
export function fromFlags(flags: Readonly<Record<string, string | undefined>>): Source {
  const given: Given[] = [];
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const where = `flag --${name}`;
    const setting = settingOfFlag(name);
    if (setting !== undefined) given.push({ setting, value: typed(setting, value), where });
    else problems.push({ where, message: `Unknown setting, ${known(name, [...settings.keys()])}` });
  }
  return { given, problems: [...problems, ...doubles(given)] };
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
  source.problems.push(...doubles(source.given));
  return source;
}

function collect(node: unknown, name: string, path: string, out: { given: Given[]; problems: Problem[] }): void {
  const where = name === "" ? path : `${path}: ${name}`;
  const setting = settingNamed(name);
  if (setting !== undefined) {
    out.given.push({ setting, value: node, where });
    return;
  }
  const inside = childrenOf(name);
  if (inside.length === 0 && !emptySections.includes(name)) {
    const at = name.lastIndexOf(".");
    const allowed = childrenOf(name.slice(0, Math.max(0, at)));
    out.problems.push({ where, message: `Unknown setting, ${known(name.slice(at + 1), allowed, settings.keys())}` });
  } else if (node !== null && (typeof node !== "object" || Array.isArray(node))) {
    const got = Array.isArray(node) ? "list" : typeof node; // not the value: it may be a secret
    out.problems.push({ where, message: `Expected a section with ${inside.join(", ") || "nothing"}, got a ${got}` });
  } else if (node !== null) {
    for (const [key, value] of Object.entries(node as object)) {
      collect(value, name === "" ? key : `${name}.${key}`, path, out);
    }
  }
}

/** Names directly inside a section, those of today where there are any; none when there is no such section. */
function childrenOf(section: string): readonly string[] {
  const prefix = section === "" ? "" : `${section}.`;
  const of = (names: readonly string[]): readonly string[] => [
    ...new Set(
      names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).split(".")[0] as string),
    ),
  ];
  const today = of([...settings.keys(), ...(section === "" ? emptySections : [])]);
  return today.length > 0 ? today : of(knownNames);
}

/** One setting, two names, two values: nobody can tell which is meant. */
function doubles(given: readonly Given[]): readonly Problem[] {
  const first = new Map<string, Given>();
  return given.flatMap((one) => {
    const other = first.get(one.setting);
    first.set(one.setting, other ?? one);
    if (other === undefined || JSON.stringify(other.value) === JSON.stringify(one.value)) return [];
    return [{ where: `${other.where}, ${one.where}`, message: `Both set ${one.setting}, set one of them` }];
  });
}

/** Text as the setting's kind. What does not fit stays text, and the schema says what it expected. */
function typed(setting: string, value: string): unknown {
  switch (settings.get(setting)?.kind) {
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

/** Names that are few are all told. */
function known(name: string, allowed: readonly string[], others: Iterable<string> = []): string {
  const listMax = 12;
  if (allowed.length === 0) return "this section holds none in this version";
  if (allowed.length <= listMax) return expected(name, allowed, others);
  const meant = nearest(name, [...allowed, ...others]);
  return `${meant === undefined ? "" : `did you mean ${meant}? `}All of them: weir serve --help`;
}
