/**
 * Keeps a second gateway from writing the same log. The lock is the operating system's own, held through an exclusive
 * SQLite transaction on an otherwise empty file: it ends with the process, however that ends, so nothing is ever stale
 * and no process number has to be judged (in containers every gateway is process 1). The number beside it is only
 * there to be told.
 * @module
 */
import { Database } from "bun:sqlite";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LogOpenError } from "../event-log.ts";

export type WriterLock = { release(): void };

export function lockForWriting(directory: string): WriterLock {
  const pidFile = join(directory, "writer.pid");
  const file = join(directory, "writer.lock");
  let lock: Database | undefined;
  try {
    lock = new Database(file, { create: true });
    lock.run("PRAGMA busy_timeout = 0");
    lock.run("BEGIN EXCLUSIVE");
  } catch (cause) {
    lock?.close();
    if (!/locked|busy/i.test(String(cause))) {
      throw new LogOpenError("notWritable", `Cannot lock ${file}: ${String(cause)}`, { cause });
    }
    const holder = readHolder(pidFile);
    const message = `${directory} is being written by another gateway (process ${holder}): stop it, or give this one a log of its own`;
    throw new LogOpenError("locked", message, { cause });
  }
  writeFileSync(pidFile, `${process.pid}\n`);
  const held = lock;
  return { release: () => held.close() };
}

function readHolder(pidFile: string): string {
  try {
    return readFileSync(pidFile, "utf8").trim();
  } catch {
    return "unknown";
  }
}
