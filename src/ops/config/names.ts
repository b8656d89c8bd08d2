/**
 * What settings are called where: short names, names in the environment, and the names that they had earlier, which
 * go on working.
 *
 * Pure.
 * @module
 */
import { limits } from "../../protocol/limits.ts";
import { settings } from "./describe.ts";

/** Short names of the settings that people set most. */
const shortEnvironment: Readonly<Record<string, string>> = {
  WEIR_PROFILE: "profile",
  WEIR_HOST: "websocket.host",
  WEIR_PORT: "websocket.port",
  WEIR_LOG: "log.url",
  WEIR_LOG_LEVEL: "logging.level",
};
const shortFlags: Readonly<Record<string, string>> = {
  profile: "profile",
  host: "websocket.host",
  port: "websocket.port",
  log: "log.url",
  "log-level": "logging.level",
};
export const configFileVariable = "WEIR_CONFIG";

/** Before 0.2: what they were called, and what they are called now. */
const earlier: ReadonlyMap<string, string> = new Map([
  ["server.host", "websocket.host"],
  ["server.port", "websocket.port"],
  ["server.tls.cert", "websocket.tls.cert"],
  ["server.tls.key", "websocket.tls.key"],
  ["server.node", "discovery.node"],
  ["sessions.max", "websocket.sessionsMax"],
  ["sessions.resumeWindowMs", "websocket.limits.resumeWindowMs"],
  ...Object.keys(limits).map((name) => [`limits.${name}`, `websocket.limits.${name}`] as const),
]);

/** Every dotted name that is understood, those of earlier versions too. */
export const knownNames: readonly string[] = [...settings.keys(), ...earlier.keys()];

/** The setting of a dotted name; undefined: there is none. */
export function settingNamed(name: string): string | undefined {
  return settings.has(name) ? name : earlier.get(name);
}

/** The setting of a flag without its dashes. */
export function settingOfFlag(name: string): string | undefined {
  return shortFlags[name] ?? settingNamed(name);
}

/** `websocket.tls.cert` → `WEIR_WEBSOCKET__TLS__CERT`, `websocket.limits.pongMs` → `WEIR_WEBSOCKET__LIMITS__PONG_MS`. */
export function environmentName(setting: string): string {
  const words = setting.replaceAll(".", "__").replace(/[A-Z]/g, (letter) => `_${letter}`);
  return `WEIR_${words.toUpperCase()}`;
}

/** Setting by variable. */
export const environmentSettings: ReadonlyMap<string, string> = new Map([
  ...[...settings.keys()].map((setting) => [environmentName(setting), setting] as const),
  ...[...earlier].map(([name, setting]) => [environmentName(name), setting] as const),
  ...Object.entries(shortEnvironment),
]);
