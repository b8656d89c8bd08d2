/**
 * Runs one `weir` command line: finds the command, checks its words, shows help, and turns how it ended into an
 * exit code and at most one message.
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, defineCommand, renderUsage, runCommand } from "citty";
import packageJson from "../../../package.json" with { type: "json" };
import { hostName } from "../../runtime/transport/host.ts";
import { strictArguments } from "./arguments.ts";
import { type AnyCommand, type Command, type CommandGroup, type Commands, commands } from "./command-table.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "./exit-code.ts";

const ofClients: ReadonlySet<string> = new Set(["publish", "tail", "history", "bench", "demo"]);

const about = { name: "weir", version: packageJson.version, description: "Exactly-once sessions over WebSockets" };

/** As citty shows it. */
async function shown(name: string, entry: Command | CommandGroup): Promise<AnyCommand> {
  if ("load" in entry) return await entry.load();
  return defineCommand({ meta: { name, description: entry.about }, subCommands: loadable(entry.inside) });
}

function loadable(table: Commands): Record<string, () => Promise<AnyCommand>> {
  return Object.fromEntries(Object.entries(table).map(([name, entry]) => [name, () => shown(name, entry)]));
}

const exitHelp =
  "EXIT CODES  0 done, 1 failed, 2 wrong command line or configuration, 3 a record was lost or seen twice, 4 a shadow run differs";

export async function runCli(words: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = words;
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      console.log(
        forOutput(
          `${await renderUsage(defineCommand({ meta: about, subCommands: loadable(commands) }))}\n\n${exitHelp}`,
        ),
      );
      return name === undefined ? exitCodes.usage : exitCodes.done;
    }
    if (name === "--version" || name === "-v") {
      console.log(packageJson.version);
      return exitCodes.done;
    }
    return await runNamed({ table: commands, path: "weir" }, name, rest);
  } catch (error) {
    if (!(error instanceof Error) || !isExpected(error)) throw error;
    console.error(`weir: ${error.message}`);
    if (error instanceof CliError) return error.exitCode;
    return error.name === "CLIError" ? exitCodes.usage : exitCodes.failed; // citty's: a missing argument
  }
}

/** `path`: the words that lead to the table. */
type Where = { readonly table: Commands; readonly path: string };

async function runNamed({ table, path }: Where, name: string, words: readonly string[]): Promise<ExitCode> {
  const entry = Object.hasOwn(table, name) ? table[name] : undefined;
  if (entry === undefined) {
    throw usageError(`Unknown command "${name}", expected one of: ${Object.keys(table).join(", ")}`);
  }
  const [first, ...others] = words;
  if ("inside" in entry && first !== undefined && !first.startsWith("-"))
    return await runNamed({ table: entry.inside, path: `${path} ${name}` }, first, others);
  const command = await shown(name, entry);
  if ("inside" in entry || words.includes("--help") || words.includes("-h")) {
    console.log(forOutput(await renderUsage(command, defineCommand({ meta: { name: path } }))));
    if (path === "weir" && name === "serve") console.log(`\n${await settingsHelp()}`);
    return words.length === 0 ? exitCodes.usage : exitCodes.done;
  }
  strictArguments(command.args as ArgsDef, words, (await entry.settings?.()) ?? []);
  assertHost(name);
  const { result } = await runCommand(command, { rawArgs: [...words] });
  return result as ExitCode;
}

/** What a command needs and this runtime lacks is said before it is tried. */
function assertHost(name: string): void {
  if (name === "demo" && hostName() !== "bun") {
    throw new CliError(exitCodes.failed, "weir demo starts gateways of its own, which it can on Bun alone");
  }
  if (ofClients.has(name) && !("WebSocket" in globalThis)) {
    const message = `weir ${name} needs a WebSocket, and Node ${process.versions.node} has none: run it on Bun, Deno or Node from 22 on`;
    throw new CliError(exitCodes.failed, message);
  }
}

/** citty colours its help whoever reads it; a file or a pipe gets plain text. */
function forOutput(help: string): string {
  return process.stdout.isTTY ? help : stripVTControlCharacters(help);
}

/** Errors whose message is enough: what people or the network did. Anything else is a bug and keeps its stack. */
function isExpected(error: Error): boolean {
  return ["CliError", "CLIError", "WeirError", "LogOpenError", "LiveError", "NodeRefusedError"].includes(error.name);
}

async function settingsHelp(): Promise<string> {
  const { settings } = await import("../config/describe.ts");
  const rows = [...settings.values()].map(({ name, kind }) => `  --${name}=<${kind}>`);
  return [
    "SETTINGS (each also in the --config file, and in the environment: websocket.port is WEIR_WEBSOCKET__PORT)",
    "",
    ...rows,
    "",
    "Short in the environment: WEIR_HOST, WEIR_PORT, WEIR_LOG, WEIR_LOG_LEVEL, WEIR_PROFILE, WEIR_CONFIG.",
    "Defaults < profile < file < environment < flags. Each with its meaning and range: docs/operations.md.",
  ].join("\n");
}
