/**
 * `weir serve`: runs a gateway until it is told to stop.
 * @module
 */
import { readFileSync } from "node:fs";
import { defineCommand } from "citty";
import { loadConfig, problemLine } from "../../config/load.ts";
import { knownNames } from "../../config/names.ts";
import { serve } from "../../serve.ts";
import { strictArguments } from "../arguments.ts";
import { usageError } from "../exit-code.ts";

/** Short options of the commands that take a gateway's settings. */
export const serveArgs = {
  config: { type: "string", description: "YAML or JSON file with settings", valueHint: "file" },
  profile: {
    type: "string",
    description: "development, testing or production; by default development on a loopback host, else production",
    valueHint: "profile",
  },
  host: { type: "string", description: "Address to listen on, 127.0.0.1 by default", valueHint: "address" },
  port: { type: "string", description: "Port to listen on, 8080 by default, 0 for any free one", valueHint: "number" },
  log: {
    type: "string",
    description: "embedded:<directory> (./weir-data by default), nats://<host>:<port>[,nats://…] or memory",
    valueHint: "url",
  },
  "log-level": { type: "string", description: "debug, info, warn, error or silent", valueHint: "level" },
} as const;

export const serveCommand = defineCommand({
  meta: { name: "serve", description: "Run a gateway" },
  args: serveArgs,
  run: async ({ rawArgs }) => {
    const flags = strictArguments(serveArgs, rawArgs, knownNames);
    const sources = { flags, env: process.env, readFile: (path: string) => readFileSync(path, "utf8") };
    const loaded = loadConfig(sources);
    if (!loaded.ok) throw usageError(["Wrong configuration", ...loaded.problems.map(problemLine)].join("\n  "));
    return await serve({ sources, loaded });
  },
});
