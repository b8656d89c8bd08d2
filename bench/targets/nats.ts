/**
 * nats-servers with JetStream for the gateway's log: one, or three that hold every record; files, flushed each second.
 * They share core 1 with the generator.
 * @module
 */
import { connect } from "@nats-io/transport-node";
import { findNatsBinary } from "../../test/support/nats-binary.ts";
import { clusterConfig } from "../../test/support/nats-routes.ts";
import { freePort, type PinnedProcess, startPinned, whenListening } from "../process.ts";

export type Store = {
  readonly url: string;
  readonly processes: readonly PinnedProcess[];
  readonly version: string;
  stop(): Promise<void>;
};

const clusterSize = 3;
const readyWithinMs = 30_000;

const config = (port: number, dir: string, more: string): string => `
host: 127.0.0.1
port: ${port}
jetstream { store_dir: "${dir}", sync_interval: "1s", strict: true, max_buffered_msgs: 65536 }
${more}`;

export async function startNats(dir: string, more = ""): Promise<Store> {
  return startServers(dir, [freePort()], () => more);
}

export async function startNatsCluster(dir: string): Promise<Store> {
  const ports = Array.from({ length: clusterSize }, freePort);
  const routes = Array.from({ length: clusterSize }, freePort);
  const store = await startServers(dir, ports, (i) => `server_name: bench-${i}\n${clusterConfig(i, routes, [])}`);
  try {
    await whenReplicating(store.url);
  } catch (error) {
    await store.stop();
    throw error;
  }
  return store;
}

async function startServers(dir: string, ports: readonly number[], more: (index: number) => string): Promise<Store> {
  const binary = await findNatsBinary("newest");
  if (!binary.found) throw new Error(`nats-server is not there: ${binary.reason}`);
  const processes: PinnedProcess[] = [];
  for (const [i, port] of ports.entries()) {
    const file = `${dir}/nats-${i}.conf`;
    await Bun.write(file, config(port, `${dir}/nats-${i}`, more(i)));
    processes.push(startPinned(1, [binary.path, "-c", file]));
  }
  await Promise.all(ports.map((port, i) => whenListening(port, processes[i] as PinnedProcess)));
  return {
    url: ports.map((port) => `nats://127.0.0.1:${port}`).join(),
    processes,
    version: binary.version,
    stop: async () => void (await Promise.all(processes.map((process) => process.stop()))),
  };
}

/** Resolves when a stream with a replica on each server can be made. */
async function whenReplicating(urls: string): Promise<void> {
  const nc = await connect({ servers: urls.split(",") });
  const stream = { name: "READY", subjects: ["ready"], storage: "memory", num_replicas: clusterSize };
  const deadline = performance.now() + readyWithinMs;
  for (;;) {
    const answer = await nc.request("$JS.API.STREAM.CREATE.READY", JSON.stringify(stream)).catch(() => undefined);
    if (answer?.json<{ error?: unknown }>().error === undefined && answer !== undefined) break;
    if (performance.now() > deadline) throw new Error("Three nats-servers did not find each other");
    await Bun.sleep(200);
  }
  await nc.request("$JS.API.STREAM.DELETE.READY").catch(() => undefined);
  await nc.close();
}
