/**
 * `weir shadow`: plays a recorded segment through this version's own gateway and reports where it decides otherwise.
 * @module
 */
import { readFileSync } from "node:fs";
import { defineCommand } from "citty";
import type { Limits } from "../../../protocol/limits.ts";
import { settings } from "../../config/describe.ts";
import { loadConfig, problemLine } from "../../config/load.ts";
import { settingNamed } from "../../config/names.ts";
import { nearest } from "../../config/nearest.ts";
import { isGiven } from "../../config/origin.ts";
import { settingName } from "../../replay/setting-name.ts";
import { type ShadowOptions, type ShadowReport, shadowRun } from "../../replay/shadow-run.ts";
import { counted, milliseconds } from "../../replay/text.ts";
import { duration } from "../arguments.ts";
import { type ExitCode, exitCodes, usageError } from "../exit-code.ts";
import { jsonArgs, printJson, segmentAt } from "../look-back.ts";

const args = {
  file: { type: "positional", description: "File of weir record", required: true },
  set: {
    type: "string",
    description: "A limit or retention in place of the recorded one; again for another",
    valueHint: "name=value",
  },
  config: { type: "string", description: "YAML or JSON file with such settings", valueHint: "file" },
  tolerance: { type: "string", description: "Times no further apart are the same", default: "2s", valueHint: "time" },
  ...jsonArgs,
} as const;

const limitsSection = "websocket.limits.";
const retentionSection = "log.retention.";

export const shadowCommand = defineCommand({
  meta: {
    name: "shadow",
    description: "Decide a recorded segment again with this version, and report the differences",
  },
  args,
  run: async ({ args: given, rawArgs }): Promise<ExitCode> => {
    const toleranceMs = duration("tolerance", given.tolerance);
    const report = await shadowRun(await segmentAt(given.file), {
      ...settingsOf(setWords(rawArgs), given.config),
      toleranceMs,
    });
    if (given.json) printJson(report);
    else print(report);
    return report.differences.length === 0 ? exitCodes.done : exitCodes.differs;
  },
});

/** Of an option that may stand several times. */
function setWords(rawArgs: readonly string[]): readonly string[] {
  return rawArgs.flatMap((word, i) => {
    if (word === "--set") return rawArgs[i + 1] ?? [];
    return word.startsWith("--set=") ? word.slice("--set=".length) : [];
  });
}

function settingsOf(words: readonly string[], config: string | undefined): Pick<ShadowOptions, "limits" | "retention"> {
  const flags = Object.fromEntries(words.map(settingOf));
  const file = config === undefined ? {} : { config };
  const loaded = loadConfig({ flags: { ...flags, ...file }, env: {}, readFile: (path) => readFileSync(path, "utf8") });
  if (!loaded.ok) throw usageError(["Wrong configuration", ...loaded.problems.map(problemLine)].join("\n  "));
  const given = [...loaded.resolved].flatMap(([name, { origin }]) => (isGiven(origin) ? [name] : []));
  const { limits } = loaded.config.websocket;
  const { retention } = loaded.config.log;
  return {
    limits: picked(limits, given, limitsSection) satisfies Partial<Limits>,
    retention: picked(retention, given, retentionSection),
  };
}

function settingOf(word: string): readonly [string, string] {
  const at = word.indexOf("=");
  if (at < 1) throw usageError(`--set must be <setting>=<value>, got "${word}"`);
  const asked = word.slice(0, at);
  const name = settingNamed(asked) ?? settingName(asked);
  if (name === undefined) {
    const meant = nearest(asked, settings.keys());
    const hint = meant === undefined ? "all of them: weir serve --help" : `did you mean ${meant}?`;
    throw usageError(`--set ${word}: Unknown setting ${asked}, ${hint}`);
  }
  if (name.startsWith(limitsSection) || name.startsWith(retentionSection)) return [name, word.slice(at + 1)];
  throw usageError(`--set takes limits and retention, which decide what a session is told; ${name} is neither`);
}

function picked<T extends object>(values: T, given: readonly string[], section: string): Partial<T> {
  const names = new Set(given.filter((name) => name.startsWith(section)).map((name) => name.slice(section.length)));
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name))) as Partial<T>;
}

function print({ sessions, recorded, decided, inputs, virtualMs, differences, skipped }: ShadowReport): void {
  console.log(
    `${counted(sessions, "session")} over ${milliseconds(virtualMs)}: ${counted(inputs, "input")}, ${counted(recorded, "event")} recorded, ${decided} decided now`,
  );
  for (const { session, seq, what } of skipped)
    console.log(`not decided again: session ${session}, event ${seq}: ${what}`);
  for (const { sentence } of differences) console.log(sentence);
  console.log(differences.length === 0 ? "No differences" : counted(differences.length, "difference"));
}
