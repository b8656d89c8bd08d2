/**
 * Keeps a second gateway from writing the same log. The lock is the operating system's own, held through an exclusive
 * SQLite transaction on an otherwise empty file: it ends with the process, however that ends, so nothing is ever stale
 * and no process number has to be judged (in containers every gateway is process 1). The number beside it is only
 * there to be told.
 *
 * Bun, Deno and Node from 22.13 on bring SQLite. Node 20 brings no lock of that kind, and a log without one is not opened.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LogOpenError } from "../event-log.ts";

export type WriterLock = { release(): void };

type Database = { exec(sql: string): void; close(): void };
type Sqlite = { readonly DatabaseSync: new (path: string) => Database };

export function lockForWriting(directory: string): WriterLock {
  const { DatabaseSync } = sqlite();
  const pidFile = join(directory, "writer.pid");
  const file = join(directory, "writer.lock");
  let lock: Database | undefined;
  try {
    lock = new DatabaseSync(file);
    lock.exec("PRAGMA busy_timeout = 0");
    lock.exec("BEGIN EXCLUSIVE");
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

/** Not imported: on a runtime without it, that would keep the whole gateway from starting. */
function sqlite(): Sqlite {
  const found = process.getBuiltinModule?.("node:sqlite") as Sqlite | undefined;
  if (found !== undefined) return found;
  const message = `The embedded log cannot be locked on Node ${process.versions.node}, which brings no SQLite: use --log memory: or NATS, or run Weir on Bun, Deno or Node from 22.13 on`;
  throw new LogOpenError("unsupported", message);
}

function readHolder(pidFile: string): string {
  try {
    return readFileSync(pidFile, "utf8").trim();
  } catch {
    return "unknown";
  }
}
