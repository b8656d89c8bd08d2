/**
 * What the commands that look back share: which log they read, how they ask a running gateway, how they print.
 * @module
 */
import { readFileSync } from "node:fs";
import type { ArgsDef } from "citty";
import { systemClock, systemRandom } from "../../runtime/system.ts";
import { loadConfig, problemLine } from "../config/load.ts";
import { openReadOnly } from "../log/open-log.ts";
import type { At } from "../replay/actor.ts";
import { UnknownKindError } from "../replay/actor-kinds.ts";
import { CursorError, UnknownActorError } from "../replay/inspect.ts";
import type { LiveState } from "../replay/live.ts";
import { liveOrNothing, liveOver } from "../replay/live-rest.ts";
import type { ReadableLog } from "../replay/readable-log.ts";
import { segmentLog } from "../replay/segment.ts";
import { readSegment, SegmentError } from "../replay/segment-file.ts";
import { strictArguments, timeForms, timeIn } from "./arguments.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "./exit-code.ts";
import { natsSettings } from "./nats-store.ts";

export const logArgs = {
  log: {
    type: "string",
    description: "embedded:<directory>, nats://<host>:<port>[,…], or file:<segment>; by default as weir serve has it",
    valueHint: "url",
  },
  config: { type: "string", description: "YAML or JSON file with settings", valueHint: "file" },
} as const;
export const liveArgs = {
  url: { type: "string", description: "A running gateway, http://…, for what is in its memory only", valueHint: "url" },
  token: { type: "string", description: "API key or JWT for it; or set WEIR_API_KEY", valueHint: "token" },
} as const;
export const jsonArgs = {
  json: { type: "boolean", description: "JSON for machines", default: false },
} as const;

export type LookBack = { readonly log: ReadableLog; readonly live: LiveState | undefined };
type Words = { readonly args: ArgsDef; readonly rawArgs: readonly string[] };

const fileUrl = "file:";

/** Opens the log that the command line names, runs, closes. What the library refuses becomes a message. */
export async function lookBack({ args, rawArgs }: Words, run: (on: LookBack) => Promise<ExitCode>): Promise<ExitCode> {
  const values = strictArguments(args, rawArgs, natsSettings);
  const log = await openNamed(values);
  const token = restToken(values["token"]);
  const live =
    values["url"] === undefined ? undefined : liveOrNothing(liveOver(httpUrl(values["url"]), token), logAlone);
  try {
    return await run({ log, live });
  } catch (error) {
    if (error instanceof UnknownActorError || error instanceof SegmentError)
      throw new CliError(exitCodes.failed, error.message, { cause: error });
    if (error instanceof UnknownKindError || error instanceof CursorError) throw usageError(error.message);
    throw error;
  } finally {
    await log.close();
  }
}

/** Beside what is printed, so that machines can go on reading that. */
function logAlone(message: string): void {
  console.error(`weir: ${message}${/[.?!]$/.test(message) ? "" : "."} What follows is what the log alone knows`);
}

async function openNamed(
  values: Readonly<Record<string, string | undefined>>,
): Promise<ReadableLog & { close(): Promise<void> }> {
  const { log, config } = values;
  if (log?.startsWith(fileUrl) === true) return segmentLog(await segmentAt(log.slice(fileUrl.length)));
  const settings = Object.entries(values).filter(([name]) => natsSettings.includes(name));
  const flags = { ...Object.fromEntries(settings), ...present({ log, config }) };
  const loaded = loadConfig({ flags, env: process.env, readFile: (path) => readFileSync(path, "utf8") });
  if (!loaded.ok) throw usageError(["Wrong configuration", ...loaded.problems.map(problemLine)].join("\n  "));
  const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };
  return await openReadOnly(loaded.config.log.store, ports);
}

function present(values: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

export async function segmentAt(path: string) {
  try {
    return await readSegment(path);
  } catch (error) {
    if (error instanceof SegmentError) throw new CliError(exitCodes.failed, error.message, { cause: error });
    throw error;
  }
}

/** For REST, which takes API keys and JWTs: the flag, WEIR_API_KEY, else WEIR_TOKEN. */
export function restToken(flag: string | undefined): string | undefined {
  return flag ?? process.env["WEIR_API_KEY"] ?? process.env["WEIR_TOKEN"];
}

export function httpUrl(text: string): string {
  const url = text.replace(/^ws/, "http");
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw usageError(`--url must be an address as http://127.0.0.1:8080, got "${text}"`);
}

/** A seq, or a time as 2030-01-31T12:00:00Z. */
export function pointOf(name: string, text: string): At {
  if (/^\d{1,15}$/.test(text)) return { seq: Number(text) };
  const time = timeIn(text);
  if (time !== undefined) return { time };
  throw usageError(`--${name} must be the number of an event as 9, or ${timeForms}, got "${text}"`);
}

export function timeOf(name: string, text: string): number {
  const time = timeIn(text);
  if (time !== undefined) return time;
  throw usageError(`--${name} must be ${timeForms}, got "${text}"`);
}

/** Columns as wide as they need to be. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function printJson(value: unknown): void {
  console.log(JSON.stringify(value));
}
