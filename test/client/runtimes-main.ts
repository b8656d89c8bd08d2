/**
 * Plays the scenario as a process of Bun, Node or Deno: `<runtime> runtimes-main <url>`. It prints a line `kill` when
 * the gateway is to be killed, and the outcome as the last one.
 * @module
 */
import process from "node:process";
import type { WebSocketClass } from "../../src/client/mod.ts";
import { play } from "./runtimes-scenario.ts";

const hasWebSocket = "WebSocket" in globalThis;
// Node 20 has none: the class of the ws package takes its place.
// @ts-expect-error: the package brings no types, and this is the only line that needs it.
const webSocket = hasWebSocket ? undefined : ((await import("ws")).WebSocket as WebSocketClass);
const outcome = await play({
  url: process.argv[2] ?? "",
  ...(webSocket === undefined ? {} : { webSocket }),
  killNow: () => console.log("kill"),
});
console.log(JSON.stringify(outcome));
