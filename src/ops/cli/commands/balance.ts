/**
 * `weir balance`: runs a reverse proxy in front of gateways until it is told to stop.
 * @module
 */
import { readFileSync } from "node:fs";
import { defineCommand } from "citty";
import { balanceArgs, readBalancing } from "../../balance/balance-options.ts";
import { runBalance } from "../../balance/run-balance.ts";

export const balanceCommand = defineCommand({
  meta: { name: "balance", description: "Run a WebSocket and HTTP proxy in front of gateways" },
  args: balanceArgs,
  run: async ({ rawArgs }) => {
    const readFile = (path: string): string => readFileSync(path, "utf8");
    return await runBalance(readBalancing({ words: rawArgs, env: process.env, readFile }));
  },
});
