/**
 * `weir config`: what is wrong with the settings, which are in force and why, the same for containers and editors.
 * @module
 */
import { readFileSync } from "node:fs";
import { defineCommand } from "citty";
import { systemClock } from "../../../runtime/system.ts";
import { authenticatorOf } from "../../authenticators.ts";
import { givenBy } from "../../config/changes.ts";
import type { ShownSetting } from "../../config/live-config.ts";
import {
  type ConfigSources,
  configFiles,
  type Loaded,
  loadConfig,
  problemLine,
  type Resolved,
} from "../../config/load.ts";
import { knownNames } from "../../config/names.ts";
import { isGiven } from "../../config/origin.ts";
import { asEnvironment, asJsonSchema, asTable, asYaml } from "../../config/render.ts";
import { showResolved } from "../../config/running-config.ts";
import { gatewayConfigOf } from "../../live-gateway.ts";
import { answer, refusalText } from "../../replay/live-rest.ts";
import { counted } from "../../replay/text.ts";
import { type OptionValues, strictArguments } from "../arguments.ts";
import { CliError, exitCodes, usageError } from "../exit-code.ts";
import { changesBeside } from "../kept-changes.ts";
import { httpUrl, liveArgs, restToken } from "../look-back.ts";
import { serveArgs } from "./serve.ts";

type Good = Extract<Loaded, { ok: true }>;
type Sourced = { readonly loaded: Good; readonly sources: ConfigSources; readonly files: readonly string[] };

const check = defineCommand({
  meta: { name: "check", description: "Say what is wrong with the settings, and with the files that they name" },
  args: serveArgs,
  run: ({ rawArgs }) => {
    const { loaded, files } = loadedFrom(rawArgs, serveArgs);
    authenticatorOf(loaded.config, systemClock());
    gatewayConfigOf(loaded.config);
    const given = [...loaded.resolved.values()].filter(({ origin }) => isGiven(origin)).length;
    const { profile } = loaded.config;
    console.log(
      `Good: profile ${profile}, ${counted(given, "setting")} given, ${loaded.resolved.size - given} by default`,
    );
    for (const file of files) console.log(`  read ${file}`);
    return exitCodes.done;
  },
});

const showArgs = {
  ...serveArgs,
  origin: { type: "boolean", description: "Beside each setting where its value comes from" },
  url: { type: "string", description: "Of a running gateway: what is in force there, changes too", valueHint: "url" },
  token: liveArgs.token,
} as const;

const show = defineCommand({
  meta: { name: "show", description: "Show the settings that a gateway would start with or runs with, secrets masked" },
  args: showArgs,
  run: async ({ rawArgs, args: { origin } }) => {
    const { url, token, ...others } = strictArguments(showArgs, rawArgs, knownNames);
    const [first] = Object.keys(others);
    if (url !== undefined && first !== undefined)
      throw usageError(`With --url the settings are those of the gateway there: leave --${first} out`);
    const shown =
      url === undefined
        ? showResolved(await resolvedWithLog(loadedFrom(rawArgs, showArgs)))
        : await shownAt(httpUrl(url), restToken(token));
    console.log(origin === true ? asTable(shown) : asYaml(shown));
    return exitCodes.done;
  },
});

const env = defineCommand({
  meta: { name: "env", description: "Give the settings as a file for docker run --env-file" },
  args: serveArgs,
  run: ({ rawArgs }) => {
    console.log(asEnvironment(showResolved(loadedFrom(rawArgs, serveArgs).loaded.resolved)));
    return exitCodes.done;
  },
});

const schema = defineCommand({
  meta: { name: "schema", description: "Give the JSON Schema of the settings, for editors" },
  args: {},
  run: () => {
    console.log(JSON.stringify(asJsonSchema(), undefined, 2));
    return exitCodes.done;
  },
});

export const configCommands = { check, show, env, schema };

async function shownAt(url: string, token: string | undefined): Promise<readonly ShownSetting[]> {
  const path = "/admin/config";
  const response = await answer(new URL(path, url), token);
  if (response.ok) return ((await response.json()) as { readonly settings: readonly ShownSetting[] }).settings;
  throw new CliError(exitCodes.failed, `${url} answers ${response.status} for ${path}: ${await refusalText(response)}`);
}

/** With what was changed at run time, where the log can be read here; elsewhere it is said that it is not counted. */
async function resolvedWithLog({ loaded, sources }: Sourced): Promise<Resolved> {
  const kept = await changesBeside(loaded.config.log.store);
  if (kept === undefined) {
    console.error("weir: Changes at run time are in the log, and are not counted here: --url asks a gateway for them");
    return loaded.resolved;
  }
  const changed = loadConfig(sources, givenBy(kept));
  if (changed.ok) return changed.resolved;
  console.error(
    ["weir: A gateway would ignore the changes at run time", ...changed.problems.map(problemLine)].join("\n  "),
  );
  return loaded.resolved;
}

/** Ends with every problem where the settings are wrong. */
function loadedFrom(words: readonly string[], args: typeof serveArgs | typeof showArgs): Sourced {
  const read = new Set<string>();
  const sources = {
    flags: settingsAmong(strictArguments(args, words, knownNames)),
    env: process.env,
    readFile: (path: string): string => {
      const content = readFileSync(path, "utf8");
      read.add(path);
      return content;
    },
  };
  const loaded = loadConfig(sources);
  if (!loaded.ok) throw usageError(["Wrong configuration", ...loaded.problems.map(problemLine)].join("\n  "));
  return { loaded, sources, files: configFiles(sources, loaded.config.profile).filter((path) => read.has(path)) };
}

/** Without the options of the command itself. */
function settingsAmong({ token: _, ...flags }: OptionValues): OptionValues {
  return flags;
}
