/**
 * Everything that is known of each setting, read from the schema: for sources that carry text only, for REST, for the
 * table in the documentation.
 *
 * Pure.
 * @module
 */
import { z } from "zod";
import type { SettingDescription } from "./live-config.ts";
import { configSchema, type Settings } from "./schema.ts";
import { notesOf } from "./setting.ts";

export type SettingKind = SettingDescription["kind"];

type Leaf = readonly [name: string, schema: z.core.$ZodType];

function leavesOf(schema: z.core.$ZodType, name: string): readonly Leaf[] {
  const inside = unwrapped(schema);
  if (!(inside instanceof z.ZodObject)) return [[name, schema]];
  return Object.entries<z.core.$ZodType>(inside.shape).flatMap(([key, inner]) =>
    leavesOf(inner, name === "" ? key : `${name}.${key}`),
  );
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrapped(schema.unwrap()) : schema;
}

/** Every setting by its dotted name, in the schema's order. */
export const settings: ReadonlyMap<string, SettingDescription> = new Map(
  leavesOf(configSchema, "").map(([name, schema]) => [name, described(name, schema)] as const),
);

/** Sections of the schema without a setting of their own today. */
export const emptySections: readonly string[] = Object.entries<z.core.$ZodType>(configSchema.shape).flatMap(
  ([name, schema]) => (schema instanceof z.ZodObject && Object.keys(schema.shape).length === 0 ? [name] : []),
);

function described(name: string, schema: z.core.$ZodType): SettingDescription {
  const notes = notesOf(schema);
  if (notes === undefined) throw new TypeError(`Setting ${name} has no description`);
  const { description: text, unit, range, live = false, secret = false } = notes;
  const inside = unwrapped(schema);
  const standard = defaultOf(schema);
  return {
    name,
    section: name.includes(".") ? (name.split(".")[0] as string) : "",
    text,
    kind: kindOf(inside),
    ...(unit === undefined ? {} : { unit }),
    ...(standard === undefined ? {} : { default: standard }),
    range: range ?? rangeOf(inside, unit),
    live,
    secret,
  };
}

function defaultOf(schema: z.core.$ZodType): unknown {
  if (schema instanceof z.ZodOptional) return defaultOf(schema.unwrap());
  return schema instanceof z.ZodDefault ? schema.def.defaultValue : undefined;
}

function kindOf(schema: z.core.$ZodType): SettingKind {
  if (schema instanceof z.ZodNumber) return "number";
  if (schema instanceof z.ZodBoolean) return "boolean";
  return schema instanceof z.ZodArray ? "list" : "text";
}

function rangeOf(schema: z.core.$ZodType, unit: string | undefined): string {
  if (schema instanceof z.ZodNumber) return numberRange(schema, unit);
  if (schema instanceof z.ZodBoolean) return "true or false";
  if (schema instanceof z.ZodEnum) return `one of ${schema.options.join(", ")}`;
  if (schema instanceof z.ZodArray) {
    const item: z.core.$ZodType = schema.element;
    const max = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }).maxItems;
    const most = max === undefined ? "" : `, at most ${max}`;
    return item instanceof z.ZodEnum ? `a list of ${item.options.join(", ")}` : `a list of texts${most}`;
  }
  const { minLength, maxLength } = schema as z.ZodString;
  return minLength === null || maxLength === null ? "text" : `text of ${minLength} to ${maxLength} characters`;
}

function numberRange(schema: z.ZodNumber, unit: string | undefined): string {
  const { minValue, maxValue } = schema;
  const what = `a ${schema.isInt ? "whole " : ""}number`;
  const of = unit === undefined ? "" : ` of ${unit === "ms" ? "milliseconds" : unit}`;
  if (maxValue === Number.MAX_SAFE_INTEGER) return `${what}${of}, at least ${minValue}`;
  return `${what}${of} from ${minValue} to ${maxValue}`;
}

/** Values by dotted name; a section without settings has none. */
export function flatSettings(tree: Settings): ReadonlyMap<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const name of settings.keys()) {
    let node: unknown = tree;
    for (const key of name.split(".")) node = (node as Record<string, unknown> | undefined)?.[key];
    flat.set(name, node);
  }
  return flat;
}

/** The tree of dotted names, with the sections that the schema demands even where nothing is given. */
export function settingsTree(values: Iterable<readonly [string, unknown]>): unknown {
  type Tree = { [key: string]: unknown };
  const root: Tree = {};
  for (const name of sections) sectionOf(root, name.split("."));
  for (const [setting, value] of values) {
    if (value === undefined) continue;
    const names = setting.split(".");
    const last = names.pop() as string;
    sectionOf(root, names)[last] = value;
  }
  return root;

  function sectionOf(from: Tree, names: readonly string[]): Tree {
    let section = from;
    for (const name of names) {
      section[name] ??= {};
      section = section[name] as Tree;
    }
    return section;
  }
}

const sections: readonly string[] = sectionsOf(configSchema, "");

function sectionsOf(schema: z.core.$ZodType, name: string): readonly string[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const inside = Object.entries<z.core.$ZodType>(schema.shape).flatMap(([key, inner]) =>
    sectionsOf(inner, name === "" ? key : `${name}.${key}`),
  );
  return name === "" ? inside : [name, ...inside];
}
