/**
 * What can be measured: how each server is started and by which dialect the generator speaks to it.
 * @module
 */
import type { DialectName } from "../dialects/dialect.ts";
import { freePort, type PinnedProcess, startPinned, whenListening } from "../process.ts";
import { mosquittoCommand } from "./mosquitto.ts";
import { type Store, startNats, startNatsCluster } from "./nats.ts";
import { type RuntimeName, weirCommand, weirOnNatsCommand } from "./weir.ts";

export const targetNames = [
  "weir",
  "weir-sdk",
  "weir-qos0",
  "weir-memory",
  "weir-nats",
  "weir-nats-3",
  "bun",
  "bun-one-a-tick",
  "ws",
  "socketio",
  "mosquitto",
] as const;
export type TargetName = (typeof targetNames)[number];

export type Target = {
  readonly title: string;
  readonly dialect: DialectName;
  /** Instead of the scenario's. */
  readonly qos?: 0 | 1 | 2;
  readonly numbers?: Readonly<Record<string, number>>;
  /** The server's command; files that it needs go into `dir`. Throws a sentence when something is not installed. */
  command(port: number, dir: string, runtime: RuntimeName, storeUrl?: string): Promise<readonly string[]>;
  /** Starts what the server stores in. */
  readonly store?: (dir: string) => Promise<Store>;
  /** Runs on any of Weir's runtimes. */
  readonly anyRuntime?: true;
};

const bun = process.execPath;
const servers = `${import.meta.dir}/../servers`;

function nodeServer(file: string, dependency: string): () => Promise<string> {
  return async () => {
    const installed = await Bun.file(`${import.meta.dir}/../node_modules/${dependency}/package.json`).exists();
    if (!installed) throw new Error(`${dependency} is not installed: run npm install in bench/`);
    return `${servers}/${file}`;
  };
}
const bunRelay: Target["command"] = async (port) => [bun, `${servers}/bun-relay.ts`, String(port)];
const wsServer = nodeServer("ws-relay.mjs", "ws");
const socketioServer = nodeServer("socketio.mjs", "socket.io");

export const targets: Readonly<Record<TargetName, Target>> = {
  weir: { title: "Weir", dialect: "weir", command: weirCommand, anyRuntime: true },
  "weir-sdk": { title: "Weir, through the SDK", dialect: "weir-sdk", command: weirCommand, anyRuntime: true },
  "weir-qos0": { title: "Weir, QoS 0", dialect: "weir", qos: 0, command: weirCommand, anyRuntime: true },
  // What fan-out costs by itself: the log's commits, one a tick here, are not in it.
  "weir-memory": {
    title: "Weir, QoS 0, log in memory",
    dialect: "weir",
    qos: 0,
    anyRuntime: true,
    command: async (port, _dir, runtime) =>
      (await weirCommand(port, "", runtime)).map((part) => (part.startsWith("embedded:") ? "memory:" : part)),
  },
  "weir-nats": {
    title: "Weir, log on JetStream",
    dialect: "weir",
    anyRuntime: true,
    store: (dir) => startNats(dir),
    command: weirOnNatsCommand,
  },
  "weir-nats-3": {
    title: "Weir, log on three servers",
    dialect: "weir",
    anyRuntime: true,
    store: (dir) => startNatsCluster(dir),
    command: weirOnNatsCommand,
  },
  bun: { title: "raw Bun.serve", dialect: "relay", command: bunRelay },
  "bun-one-a-tick": {
    title: "raw Bun.serve, one record a tick",
    dialect: "relay",
    numbers: { perTick: 1 },
    command: bunRelay,
  },
  ws: {
    title: "ws (Node)",
    dialect: "relay",
    command: async (port) => ["node", await wsServer(), String(port)],
  },
  socketio: {
    title: "Socket.IO (Node, recovery on)",
    dialect: "socketio",
    command: async (port) => ["node", await socketioServer(), String(port)],
  },
  mosquitto: { title: "mosquitto (WebSocket)", dialect: "mqtt", command: mosquittoCommand },
};

export type RunningServer = {
  readonly port: number;
  readonly process: PinnedProcess;
  readonly store: Store | undefined;
  stop(): Promise<void>;
};

export async function startTarget(target: Target, dir: string, runtime: RuntimeName): Promise<RunningServer> {
  const port = freePort();
  const store = await target.store?.(dir);
  const server = startPinned(0, await target.command(port, dir, runtime, store?.url));
  const stop = async (): Promise<void> => {
    await server.stop();
    await store?.stop();
  };
  try {
    await whenListening(port, server);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, process: server, store, stop };
}
