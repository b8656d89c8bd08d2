/**
 * Starts the gateway as a user does, with an embedded log in a directory of its own, on one of its runtimes. On
 * Node 20 the log is in memory: there is no embedded one (docs/runtimes.md).
 * @module
 */
import { hosts } from "../../test/runtimes/hosts.ts";

export const runtimeNames = ["bun", "deno", "node"] as const;
export type RuntimeName = (typeof runtimeNames)[number];
export const runtimeSuffixes: Readonly<Record<RuntimeName, string>> = {
  bun: "",
  deno: " on Deno",
  node: " on Node + uWebSockets.js, log in memory",
};

export async function weirCommand(port: number, dir: string, runtime: RuntimeName): Promise<readonly string[]> {
  const host = hosts.find(({ name }) => name.toLowerCase() === runtime);
  if (host === undefined || host.missing !== undefined) throw new Error(host?.missing ?? `Unknown runtime ${runtime}`);
  const log = runtime === "node" ? "memory:" : `embedded:${dir}/log`;
  return [...(await host.weir()), "serve", "--port", String(port), "--log", log];
}

/** The gateway with its log on a nats-server of its own. */
export async function weirOnNatsCommand(
  port: number,
  _dir: string,
  runtime: RuntimeName,
  storeUrl = "",
): Promise<readonly string[]> {
  const parts = await weirCommand(port, "", runtime);
  return [...parts.slice(0, -1), storeUrl, "--profile", "development"];
}
