/**
 * What is different between two states: each value by its path, items of a list by what they are called.
 *
 * Pure.
 * @module
 */
import type { Json } from "./actor.ts";
import type { Inspection } from "./inspect.ts";

/** `from` or `to` absent: there was nothing, there is nothing any more. */
export type Difference = { readonly path: string; readonly from?: Json; readonly to?: Json };

/** What an item of a list is called by, in this order. */
const names = ["filter", "seq", "n", "id"] as const;

export function diffInspections(a: Inspection, b: Inspection): readonly Difference[] {
  const differences: Difference[] = [];
  compare("statechart", a.statechart.state, b.statechart.state, differences);
  for (const name of new Set([...Object.keys(a.state), ...Object.keys(b.state)]))
    compare(name, a.state[name], b.state[name], differences);
  return differences;
}

function compare(path: string, from: Json | undefined, to: Json | undefined, into: Difference[]): void {
  const before = parts(from);
  const after = parts(to);
  if (before !== undefined && after !== undefined) {
    for (const name of new Set([...before.keys(), ...after.keys()]))
      compare(`${path}${name}`, before.get(name), after.get(name), into);
  } else if (JSON.stringify(from) !== JSON.stringify(to)) {
    into.push({ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
  }
}

/** Of a list of named items and of an object, by the end of their path. Undefined: it is one value. */
function parts(value: Json | undefined): ReadonlyMap<string, Json> | undefined {
  if (value === undefined || value === null || typeof value !== "object") return undefined;
  if (!Array.isArray(value)) return new Map(Object.entries(value).map(([name, one]) => [`.${name}`, one]));
  const items = value as readonly Json[];
  const named = items.map((item) => [`[${nameOf(item) ?? ""}]`, item] as const);
  return named.some(([name]) => name === "[]") ? undefined : new Map(named);
}

function nameOf(item: Json): string | undefined {
  if (item === null || typeof item !== "object" || Array.isArray(item)) return undefined;
  const object = item as { readonly [name: string]: Json };
  const name = names.find((one) => object[one] !== undefined);
  return name === undefined ? undefined : String(object[name]);
}
