/**
 * Which log on NATS a command is about: the settings that a gateway has for it, from the same sources.
 * @module
 */
import { readFileSync } from "node:fs";
import { settings } from "../config/describe.ts";
import { loadConfig, problemLine } from "../config/load.ts";
import type { NatsLogConfig } from "../config/log-store.ts";
import type { OptionValues } from "./arguments.ts";
import { usageError } from "./exit-code.ts";

/** Credentials and TLS as the gateway has them: `--log.nats.user` and so on. */
export const natsSettings: readonly string[] = [...settings.keys()].filter((setting) => setting.startsWith("log."));

/** `option`: the one that names the servers, for people. */
export function natsStoreOf(flags: OptionValues, option: string): NatsLogConfig {
  const loaded = loadConfig({ flags, env: process.env, readFile: (path) => readFileSync(path, "utf8") });
  if (!loaded.ok) throw usageError(["Wrong configuration", ...loaded.problems.map(problemLine)].join("\n  "));
  const { store, url } = loaded.config.log;
  if (store.kind === "nats") return store;
  throw usageError(`--${option} must be nats://<host>:<port>[,nats://…], got ${url}`);
}
