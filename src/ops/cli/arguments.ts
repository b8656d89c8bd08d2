/**
 * Decides whether a command line is one that the command understands: citty ignores what it does not know, here
 * an unknown option or a word too many is an error.
 *
 * Pure.
 * @module
 */
import { parseArgs } from "node:util";
import type { ArgsDef } from "citty";
import type { Headers } from "../../protocol/frame.ts";
import { filterProblem } from "../../protocol/topic.ts";
import { expected } from "../config/nearest.ts";
import { usageError } from "./exit-code.ts";

export type OptionValues = Readonly<Record<string, string | undefined>>;

/** Checks the words of one command; answers its text options. `further`: options that stand in no usage table. */
export function strictArguments(args: ArgsDef, words: readonly string[], further: Iterable<string> = []): OptionValues {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const name of further) options[name] = { type: "string" };
  const optionNames = Object.keys(args).filter((name) => args[name]?.type !== "positional");
  let positionalsMax = 0;
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") positionalsMax++;
    else options[name] = { type: arg.type === "boolean" ? "boolean" : "string" };
    if (arg.type === "boolean") options[`no-${name}`] = { type: "boolean" };
    if ("alias" in arg && typeof arg.alias === "string") (options[name] as { short?: string }).short = arg.alias;
  }
  const { values, positionals } = parsed(options, words, { shown: optionNames, further });
  if (positionals.length > positionalsMax) {
    throw usageError(`Unexpected argument "${positionals[positionalsMax]}", expected at most ${positionalsMax}`);
  }
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function parsed(
  options: Record<string, { type: "string" | "boolean"; short?: string }>,
  words: readonly string[],
  { shown, further }: { readonly shown: readonly string[]; readonly further: Iterable<string> },
): { values: Record<string, unknown>; positionals: readonly string[] } {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === "ERR_PARSE_ARGS_UNKNOWN_OPTION") {
      const [, name = ""] = /'(-[^']*)'/.exec(message) ?? [];
      const dashed = (names: Iterable<string>): readonly string[] => Array.from(names, (one) => `--${one}`);
      throw usageError(`Unknown option ${name}, ${expected(name, dashed(shown), dashed(further))}`);
    }
    throw usageError(message.split(". ")[0] as string);
  }
}

/** A whole number in [min, max]; anything else is an error that names the option. */
export function wholeNumber(name: string, text: string, range: { readonly min: number; readonly max: number }): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isSafeInteger(value) && value >= range.min && value <= range.max) return value;
  throw usageError(`--${name} must be a whole number from ${range.min} to ${range.max}, got "${text}"`);
}

/** A filter as clients and REST may name it; anything else is an error that names the option or word. */
export function filterNamed(name: string, text: string): string {
  const problem = filterProblem(text);
  if (problem === undefined) return text;
  throw usageError(`${name} must be a filter: ${problem}`);
}

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `12h`, `7d` in milliseconds. */
export function duration(name: string, text: string): number {
  const [, number, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * unitsMs[unit as keyof typeof unitsMs];
  throw usageError(`--${name} must be a duration as 90s, 12h or 7d, got "${text}"`);
}

export const timeForms = "a time as 2030-01-31, 2030-01-31T12:00:00Z or 2030-01-31T12:00:00+02:00";
const timeShape = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?$/;

/** Undefined: not one of the forms. What `Date.parse` takes besides differs between runtimes, `5` among it. */
export function timeIn(text: string): number | undefined {
  const time = timeShape.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

export function oneOf<const T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found !== undefined) return found;
  throw usageError(`--${name} must be one of ${allowed.join(", ")}, got "${text}"`);
}

/** `name=value,name=value`. */
export function headersIn(text: string | undefined): { readonly headers?: Headers } {
  if (text === undefined) return {};
  const pairs = text.split(",").map((pair) => {
    const at = pair.indexOf("=");
    if (at < 1) throw usageError(`--header must be name=value,name=value, got "${pair}"`);
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  return { headers: Object.fromEntries(pairs) };
}
