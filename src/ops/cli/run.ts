/**
 * Runs one `weir` command line: finds the command, checks its words, shows help, and turns how it ended into an
 * exit code and at most one message.
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import packageJson from "../../../package.json" with { type: "json" };
import { hostName } from "../../runtime/transport/host.ts";
import { settings } from "../config/describe.ts";
import { knownNames } from "../config/names.ts";
import { strictArguments } from "./arguments.ts";
import { actorsCommand } from "./commands/actors.ts";
import { benchCommand } from "./commands/bench.ts";
import { configCommand, configCommands } from "./commands/config.ts";
import { demoCommand } from "./commands/demo.ts";
import { historyCommand } from "./commands/history.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { lagCommand } from "./commands/lag.ts";
import { logCopyCommand } from "./commands/log-copy.ts";
import { natsInitCommand } from "./commands/nats-init.ts";
import { playCommand } from "./commands/play.ts";
import { publishCommand } from "./commands/publish.ts";
import { recordCommand } from "./commands/record.ts";
import { replayCommand } from "./commands/replay.ts";
import { serveCommand } from "./commands/serve.ts";
import { shadowCommand } from "./commands/shadow.ts";
import { tailCommand } from "./commands/tail.ts";
import { whoCommand } from "./commands/who.ts";
import { whyCommand } from "./commands/why.ts";
import { CliError, type ExitCode, exitCodes, usageError } from "./exit-code.ts";
import { natsSettings } from "./nats-store.ts";

// citty types every command by its own arguments; in one table they are only "some command".
// biome-ignore lint/suspicious/noExplicitAny: see above
type AnyCommand = CommandDef<any>;

type Commands = Readonly<Record<string, AnyCommand>>;
const commands: Commands = {
  serve: serveCommand,
  publish: publishCommand,
  tail: tailCommand,
  history: historyCommand,
  actors: actorsCommand,
  inspect: inspectCommand,
  why: whyCommand,
  who: whoCommand,
  lag: lagCommand,
  replay: replayCommand,
  record: recordCommand,
  play: playCommand,
  shadow: shadowCommand,
  nats: defineCommand({
    meta: { name: "nats", description: "What a log on NATS needs there" },
    subCommands: { init: natsInitCommand },
  }),
  log: defineCommand({
    meta: { name: "log", description: "Move a log" },
    subCommands: { copy: logCopyCommand },
  }),
  config: configCommand,
  bench: benchCommand,
  demo: demoCommand,
};

/** They read the log itself. */
const lookingBack: readonly AnyCommand[] = [
  ...[actorsCommand, inspectCommand, whyCommand, whoCommand, lagCommand, replayCommand, recordCommand],
];

/** Settings that a command takes beside the options of its own. */
const settingsOf: ReadonlyMap<AnyCommand, readonly string[]> = new Map<AnyCommand, readonly string[]>([
  [serveCommand, knownNames],
  ...configCommands.map((command) => [command, knownNames] as const),
  [natsInitCommand, natsSettings],
  [logCopyCommand, natsSettings],
  ...lookingBack.map((command) => [command, natsSettings] as const),
]);

const ofClients: ReadonlySet<string> = new Set(["publish", "tail", "history", "bench", "demo"]);

const root: AnyCommand = defineCommand({
  meta: { name: "weir", version: packageJson.version, description: "Exactly-once sessions over WebSockets" },
  subCommands: { ...commands },
});

const exitHelp =
  "EXIT CODES  0 done, 1 failed, 2 wrong command line or configuration, 3 a record was lost or seen twice, 4 a shadow run differs";

export async function runCli(words: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = words;
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") {
      console.log(forOutput(`${await renderUsage(root)}\n\n${exitHelp}`));
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
  const command = Object.hasOwn(table, name) ? table[name] : undefined;
  if (command === undefined) {
    throw usageError(`Unknown command "${name}", expected one of: ${Object.keys(table).join(", ")}`);
  }
  const inside = command.subCommands as Commands | undefined;
  const [first, ...others] = words;
  if (inside !== undefined && first !== undefined && !first.startsWith("-"))
    return await runNamed({ table: inside, path: `${path} ${name}` }, first, others);
  if (inside !== undefined || words.includes("--help") || words.includes("-h")) {
    console.log(forOutput(await renderUsage(command, defineCommand({ meta: { name: path } }))));
    if (command === serveCommand) console.log(`\n${settingsHelp()}`);
    return words.length === 0 ? exitCodes.usage : exitCodes.done;
  }
  strictArguments(command.args as ArgsDef, words, settingsOf.get(command) ?? []);
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
  return ["CliError", "CLIError", "WeirError", "LogOpenError", "LiveError"].includes(error.name);
}

function settingsHelp(): string {
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
