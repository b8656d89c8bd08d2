/**
 * What the transport of this runtime can do, found by doing it, as a line of JSON: the cells of docs/runtimes.md
 * that cannot be seen from outside of the gateway.
 * @module
 */
import process from "node:process";
import { hostName, hostTransport } from "../../src/runtime/transport/host.ts";
import { loadUws } from "../../src/runtime/transport/uws-host.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { type Happening, type RigClient, Stage, type TransportRig } from "../support/transport-stage.ts";

/** More than the buffers of a loopback connection hold. */
const floodBytes = 64 * 1_048_576;
const chunk = new Uint8Array(250_000);
/** On a loopback connection whose other end reads, bytes leave in far less. */
const stuckMs = 1_000;
const pollMs = 20;

const transport = await hostTransport();
const rig: TransportRig = { name: hostName(), lacks: [], transport, connect: rawWebSocket, fetch };
const isClose = (happening: Happening): happening is Happening & { kind: "close" } => happening.kind === "close";

async function fanOut(): Promise<string> {
  const host = await hostServer();
  const native = "publish" in host.server;
  await host.stop();
  return native ? "native" : "a loop over its sockets";
}

async function hostServer(): Promise<{ server: object; stop(): unknown }> {
  if (hostName() === "node") {
    const server = (await loadUws()).App();
    return { server, stop: () => server.close() };
  }
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const answer = (): Response => new Response();
  if (hostName() === "bun") {
    const server = Bun.serve({ ...options, fetch: answer });
    return { server, stop: () => server.stop(true) };
  }
  type Serve = (options: object, answer: () => Response) => { shutdown(): Promise<void> };
  const server = (globalThis as unknown as { Deno: { serve: Serve } }).Deno.serve(options, answer);
  return { server, stop: () => server.shutdown() };
}

async function pause(stage: Stage): Promise<string> {
  const { client, seen, gateway } = await stage.pair();
  gateway.socket.pause();
  for (let sent = 0; sent < floodBytes && !seen.all.some(isClose); sent += chunk.length) {
    client.send(chunk);
    if (!(await taken(client))) return "its peer feels it";
  }
  const end = await seen.until(isClose);
  return `kept up to a bound, then ${isClose(end) ? end.code : ""}`;
}

/** False: nothing of what waits has left in time. */
async function taken(client: RigClient): Promise<boolean> {
  for (let waited = 0; waited <= stuckMs; waited += pollMs) {
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    if (client.bufferedBytes() === 0) return true;
  }
  return false;
}

async function cutOff(stage: Stage): Promise<string> {
  const { seen, gateway } = await stage.pair();
  gateway.socket.terminate();
  const end = await seen.until(isClose);
  return isClose(end) && end.code === 1006 ? "yes" : "no, its peer is asked to leave";
}

async function stopAccepting(stage: Stage): Promise<string> {
  await stage.pair();
  await stage.listener.stop({ terminate: false });
  return await fetch(stage.url().replace("ws", "http")).then(
    ({ status }) => `no, answers ${status}`,
    () => "yes",
  );
}

const stage = new Stage(rig);
await stage.listen();
const found = {
  "fan-out to a topic's subscribers": await fanOut(),
  "pause of a socket": await pause(stage),
  "cut one socket off": await cutOff(stage),
  "stop accepting, sockets stay": await stopAccepting(stage),
};
await stage.listener.stop({ terminate: true });
console.log(JSON.stringify(found));
process.exit(0);
