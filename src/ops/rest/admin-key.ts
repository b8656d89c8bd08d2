/**
 * The key of an administrator where nobody has set one: made at the first start of a development gateway, told once,
 * and kept beside the log so that it stays the same. Only its digest is used.
 * @module
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "../../runtime/ports.ts";
import { type ApiKey, keyDigest } from "./access.ts";

export type AdminKey = {
  readonly key: ApiKey;
  /** To be told to whoever started the gateway; absent: it was told before. */
  readonly told?: string;
  /** Where it is kept. */
  readonly path?: string;
};

const name = "admin-key";
const keyBytes = 32;

/** Without a directory it is another one at every start. */
export function adminKey(random: Random, directory: string | undefined): AdminKey {
  if (directory === undefined) return made(random.token(keyBytes));
  const path = join(directory, name);
  if (existsSync(path)) return { key: keyOf(readFileSync(path, "utf8").trim()), path };
  const secret = random.token(keyBytes);
  mkdirSync(directory, { recursive: true });
  writeFileSync(path, `${secret}\n`, { mode: 0o600, flag: "wx" });
  chmodSync(path, 0o600);
  return { ...made(secret), path };
}

const keyOf = (secret: string): ApiKey => ({ name: "admin", role: "admin", digest: keyDigest(secret) });
const made = (secret: string): AdminKey => ({ key: keyOf(secret), told: secret });
