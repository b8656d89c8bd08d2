/**
 * Runs the transport contract inside of this runtime, with the transport that the gateway takes there: a line for each
 * test, exit code 1 when one fails.
 * @module
 */
import process from "node:process";
import { hostName, hostTransport } from "../../src/runtime/transport/host.ts";
import { transportContract } from "../contract/transport.ts";
import { serverTransportContract } from "../contract/transport-server.ts";
import { runCollected } from "../support/plain-runner.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import type { TransportGap, TransportRig } from "../support/transport-stage.ts";

const gaps: Readonly<Record<ReturnType<typeof hostName>, readonly TransportGap[]>> = {
  bun: [],
  deno: ["stopReading", "cutOff"],
  node: ["stopReading"],
};

const name = hostName();
const transport = await hostTransport();
const rig = (): TransportRig => ({ name, lacks: gaps[name], transport, connect: rawWebSocket, fetch });
// @ts-expect-error: Node 20 has none, and the ws package that takes its place brings no types.
const webSocket: typeof WebSocket = globalThis.WebSocket ?? (await import("ws")).WebSocket;
transportContract(rig);
serverTransportContract(rig, webSocket);
const { run, failed } = await runCollected();
console.log(`${run - failed} passed, ${failed} failed`);
process.exit(failed === 0 && run > 0 ? 0 : 1);
