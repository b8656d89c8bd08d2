/**
 * What was changed at run time, for commands that run beside the gateway or while there is none: it is in the log.
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../runtime/system.ts";
import { type Kept, readChanges } from "../config/changes.ts";
import type { LogStore } from "../config/log-store.ts";
import { openReadOnly } from "../log/open-log.ts";

/** Of an embedded log. */
export const logFile = "log.mdb";

/** Of a log on this machine. Undefined: it is elsewhere, or cannot be read. */
export async function changesBeside(store: LogStore): Promise<Kept | undefined> {
  if (store.kind === "nats") return undefined;
  // A log that is not there yet, or is gone with its gateway, holds nothing.
  if (store.kind === "memory" || !existsSync(join(store.directory, logFile))) return {};
  try {
    const log = await openReadOnly(store, {
      clock: systemClock(),
      random: systemRandom(),
      logger: { log: () => undefined },
    });
    try {
      return (await readChanges(log.keyValue)).kept;
    } finally {
      await log.close();
    }
  } catch {
    return undefined;
  }
}
