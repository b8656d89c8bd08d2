/**
 * Which commands there are. Each is loaded when it is run or shown: `weir why` need not wait for what `weir serve` is made of.
 * @module
 */
import type { CommandDef } from "citty";

// citty types every command by its own arguments; in one table they are only "some command".
// biome-ignore lint/suspicious/noExplicitAny: see above
export type AnyCommand = CommandDef<any>;

export type Command = {
  readonly load: () => Promise<AnyCommand>;
  /** Settings that it takes beside the options of its own. */
  readonly settings?: () => Promise<readonly string[]>;
};
export type CommandGroup = { readonly about: string; readonly inside: Commands };
export type Commands = Readonly<Record<string, Command | CommandGroup>>;

const everySetting = async () => (await import("../config/names.ts")).knownNames;
const logSettings = async () => (await import("./nats-store.ts")).natsSettings;

const config = async (name: "check" | "show" | "env" | "schema") =>
  (await import("./commands/config.ts")).configCommands[name];

export const commands: Commands = {
  serve: { load: async () => (await import("./commands/serve.ts")).serveCommand, settings: everySetting },
  balance: { load: async () => (await import("./commands/balance.ts")).balanceCommand },
  publish: { load: async () => (await import("./commands/publish.ts")).publishCommand },
  request: { load: async () => (await import("./commands/request.ts")).requestCommand },
  tail: { load: async () => (await import("./commands/tail.ts")).tailCommand },
  history: { load: async () => (await import("./commands/history.ts")).historyCommand },
  presence: { load: async () => (await import("./commands/presence.ts")).presenceCommand },
  actors: { load: async () => (await import("./commands/actors.ts")).actorsCommand, settings: logSettings },
  inspect: { load: async () => (await import("./commands/inspect.ts")).inspectCommand, settings: logSettings },
  why: { load: async () => (await import("./commands/why.ts")).whyCommand, settings: logSettings },
  who: { load: async () => (await import("./commands/who.ts")).whoCommand, settings: logSettings },
  lag: { load: async () => (await import("./commands/lag.ts")).lagCommand, settings: logSettings },
  replay: { load: async () => (await import("./commands/replay.ts")).replayCommand, settings: logSettings },
  record: { load: async () => (await import("./commands/record.ts")).recordCommand, settings: logSettings },
  play: { load: async () => (await import("./commands/play.ts")).playCommand },
  shadow: { load: async () => (await import("./commands/shadow.ts")).shadowCommand },
  nodes: { load: async () => (await import("./commands/nodes.ts")).nodesCommand },
  pools: { load: async () => (await import("./commands/pools.ts")).poolsCommand },
  pool: { load: async () => (await import("./commands/pools.ts")).poolCommand },
  drain: { load: async () => (await import("./commands/drain.ts")).drainCommand },
  rollout: { load: async () => (await import("./commands/rollout.ts")).rolloutCommand },
  nats: {
    about: "What a log on NATS needs there",
    inside: {
      init: { load: async () => (await import("./commands/nats-init.ts")).natsInitCommand, settings: logSettings },
    },
  },
  log: {
    about: "Move a log",
    inside: {
      copy: { load: async () => (await import("./commands/log-copy.ts")).logCopyCommand, settings: logSettings },
    },
  },
  config: {
    about: "Check and show the settings",
    inside: {
      check: { load: () => config("check"), settings: everySetting },
      show: { load: () => config("show"), settings: everySetting },
      unset: {
        load: async () => (await import("./commands/config-unset.ts")).configUnsetCommand,
        settings: logSettings,
      },
      env: { load: () => config("env"), settings: everySetting },
      schema: { load: () => config("schema") },
    },
  },
  bench: { load: async () => (await import("./commands/bench.ts")).benchCommand },
  demo: { load: async () => (await import("./commands/demo.ts")).demoCommand },
};
