/**
 * A server that loses its power: it comes back with its store as a copy has it, so without everything that it took
 * and acknowledged after that.
 * @module
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsServer } from "./nats-server.ts";

export type StoreCopy = Disposable & { readonly path: string };

/** As if all of it had been flushed at this moment, and nothing after it. */
export async function copyStore(server: NatsServer): Promise<StoreCopy> {
  const path = mkdtempSync(join(tmpdir(), "weir-store-"));
  await server.pause();
  cpSync(server.storeDir, path, { recursive: true });
  server.continue();
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** It is dead when this comes back, and `restart()` gives it what the copy has. */
export async function losePower(server: NatsServer, copy: StoreCopy): Promise<void> {
  await server.kill();
  rmSync(server.storeDir, { recursive: true });
  cpSync(copy.path, server.storeDir, { recursive: true });
}
