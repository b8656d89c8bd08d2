/**
 * Where this example works: the gateway, and a key that may publish.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";

/** The one that `npm start` runs, or the one of the environment; HTTP is on the same port. */
export const gatewayUrl = (process.env["WEIR_URL"] ?? "ws://localhost:8080").replace(/^ws/, "http").replace(/\/$/, "");

const keyFile = process.env["WEIR_ADMIN_KEY_FILE"] ?? "weir-data/admin-key";

/** Of the environment, or the one that a development gateway keeps beside its log. */
export function adminKey(): string {
  const key = process.env["WEIR_API_KEY"];
  if (key !== undefined) return key;
  if (existsSync(keyFile)) return readFileSync(keyFile, "utf8").trim();
  throw new Error(`No key: set WEIR_API_KEY, or start the gateway where ${keyFile} is made`);
}
