/**
 * What is put through a proxy, and what it costs it: CPU of its process, user and system, for each thing that was done.
 * @module
 */
import { LightSocket } from "../load/light-socket.ts";
import { CpuWindow } from "../proc-stat.ts";

export type Measured = {
  /** Messages, deliveries or connections. */
  readonly done: number;
  readonly perSecond: number;
  readonly proxyUsEach: number;
  readonly proxyBusyPercent: number;
};
export type ScenarioOptions = { readonly port: number; readonly pid: number; readonly seconds: number };
export type ProxyScenario = {
  readonly name: string;
  readonly unit: string;
  run(options: ScenarioOptions): Promise<Measured>;
};

const warmMs = 2_000;
/** So many connections warm up, within so long: a runtime that compiles what is used much has done it by then. */
const warmConnections = 5_000;
const warmMsMax = 25_000;
const echoConnections = 100;
const feedConnections = 500;
const churnConnections = 20;
const payload = new Uint8Array(128);

/** One message of each connection is under way: every passage is a read and a write of its own, nothing is batched. */
async function echo(options: ScenarioOptions): Promise<Measured> {
  let done = 0;
  const events = {
    message: (_data: Uint8Array, socket: LightSocket) => {
      done++;
      socket.send(payload);
    },
  };
  const sockets = await openAll(options.port, "/", echoConnections, events);
  for (const socket of sockets) socket.send(payload);
  // There and back: two passages.
  const measured = await window(options, () => 2 * done);
  for (const socket of sockets) socket.terminate();
  return measured;
}

/** The backend sends to all at once, many times a second; nobody sends anything to it. */
async function feed(options: ScenarioOptions): Promise<Measured> {
  let done = 0;
  const events = {
    message: () => {
      done++;
    },
  };
  const sockets = await openAll(options.port, "/feed", feedConnections, events);
  const measured = await window(options, () => done);
  for (const socket of sockets) socket.terminate();
  return measured;
}

/** Connect, upgrade, go; some at a time. */
async function churn(options: ScenarioOptions): Promise<Measured> {
  let done = 0;
  let running = true;
  const one = async (): Promise<void> => {
    while (running) {
      const socket = await LightSocket.open(options.port, "/", "", { message: () => undefined });
      socket.terminate();
      done++;
    }
  };
  const all = Array.from({ length: churnConnections }, one);
  const giveUpAt = performance.now() + warmMsMax;
  while (done < warmConnections && performance.now() < giveUpAt) await Bun.sleep(100);
  const measured = await window(options, () => done);
  running = false;
  await Promise.all(all);
  return measured;
}

async function openAll(
  port: number,
  path: string,
  count: number,
  events: ConstructorParameters<typeof LightSocket>[0],
): Promise<readonly LightSocket[]> {
  const sockets: LightSocket[] = [];
  for (let at = 0; at < count; at++) sockets.push(await LightSocket.open(port, path, "", events));
  return sockets;
}

async function window({ pid, seconds }: ScenarioOptions, done: () => number): Promise<Measured> {
  await Bun.sleep(warmMs);
  const before = done();
  const cpu = new CpuWindow({ serverPid: pid });
  await Bun.sleep(seconds * 1_000);
  const { serverUs, serverBusyPercent, seconds: took } = cpu.read();
  const count = done() - before;
  return { done: count, perSecond: count / took, proxyUsEach: serverUs / count, proxyBusyPercent: serverBusyPercent };
}

export const proxyScenarios: readonly ProxyScenario[] = [
  { name: `echo, ${echoConnections} connections, 128 B`, unit: "passages", run: echo },
  { name: `feed to ${feedConnections} connections, 128 B`, unit: "deliveries", run: feed },
  { name: "connect, upgrade, go", unit: "connections", run: churn },
];
