/**
 * Opens an embedded log: checks the directory, keeps other writers out, checks the format, makes a new log where
 * there is none. What is wrong is told with the file and what to do; nothing is repaired by guessing.
 * @module
 */
import type { LogEpoch } from "../../../protocol/ids.ts";
import type { Clock, Random } from "../../ports.ts";
import { type EventLog, LogOpenError } from "../event-log.ts";
import { prepareDirectory } from "./directory.ts";
import { EmbeddedLog } from "./log.ts";
import { defaultLagRecords } from "./log-index.ts";
import { Store } from "./store.ts";
import { lockForWriting, type WriterLock } from "./writer-lock.ts";

export type EmbeddedLogOptions = {
  readonly clock: Clock;
  readonly random: Random;
  /** Beside a gateway that writes. Appends are refused; there is nothing to watch. Default: false. */
  readonly readOnly?: boolean;
  /** Newest records of which index and marks are in memory only; a start reads them again. Default: 8 192. */
  readonly lagRecords?: number;
  /** A follower's page could not be read: it hears nothing any more. Default: the error is thrown at the top. */
  readonly onError?: (cause: unknown) => void;
};

const formatVersion = 1;
const epochBytes = 12;

export async function openEmbeddedLog(directory: string, options: EmbeddedLogOptions): Promise<EventLog> {
  const readOnly = options.readOnly === true;
  const file = prepareDirectory(directory, readOnly);
  const lock = readOnly ? undefined : lockForWriting(directory);
  let store: Store | undefined;
  try {
    store = openStore(file, readOnly);
    const epoch = await readFormat(store, readOnly, options.random);
    return loadLog(store, { epoch, readOnly, lock, options });
  } catch (cause) {
    await store?.close();
    lock?.release();
    throw cause;
  }
}

type Opening = {
  readonly epoch: LogEpoch;
  readonly readOnly: boolean;
  readonly lock: WriterLock | undefined;
  readonly options: EmbeddedLogOptions;
};

function loadLog(store: Store, { epoch, readOnly, lock, options }: Opening): EventLog {
  const onError =
    options.onError ??
    ((cause: unknown) =>
      queueMicrotask(() => {
        throw cause;
      }));
  try {
    const { clock, lagRecords = defaultLagRecords } = options;
    return new EmbeddedLog({ store, epoch, readOnly, lagRecords, onError, clock, release: () => lock?.release() });
  } catch (cause) {
    throw new LogOpenError(
      "corrupt",
      `${store.file} is damaged (${(cause as Error).message}): restore it from a backup`,
      { cause },
    );
  }
}

function openStore(file: string, readOnly: boolean): Store {
  try {
    return new Store(file, readOnly);
  } catch (cause) {
    const why = (cause as Error).message;
    const code = /VERSION|INVALID|CORRUPT|not an LMDB|page/i.test(why) ? "corrupt" : "notWritable";
    throw new LogOpenError(code, `Cannot open ${file}: ${why}`, { cause });
  }
}

async function readFormat(store: Store, readOnly: boolean, random: Random): Promise<LogEpoch> {
  const stored = store.get("meta", "format");
  if (stored === undefined) return makeLog(store, readOnly, random);
  const format = parseFormat(stored);
  if (format === undefined) throw new LogOpenError("foreign", `${store.file} is an LMDB file, but no log of a gateway`);
  if (format.version !== formatVersion) {
    const message = `${store.file} has format ${format.version}, this gateway reads ${formatVersion}: use the gateway that wrote it, or another directory`;
    throw new LogOpenError("wrongVersion", message);
  }
  return format.epoch;
}

async function makeLog(store: Store, readOnly: boolean, random: Random): Promise<LogEpoch> {
  if (readOnly || store.foreign)
    throw new LogOpenError("foreign", `${store.file} is an LMDB file, but no log of a gateway`);
  const epoch = random.token(epochBytes);
  const value = new TextEncoder().encode(JSON.stringify({ weir: "log", version: formatVersion, epoch }));
  const failure = await store.commit([{ table: "meta", key: "format", value }]);
  if (failure !== undefined) throw new LogOpenError("notWritable", failure.message);
  return epoch;
}

function parseFormat(bytes: Uint8Array): { version: number; epoch: LogEpoch } | undefined {
  try {
    const format = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const { weir, version, epoch } = format;
    if (weir !== "log" || typeof version !== "number" || typeof epoch !== "string") return undefined;
    return { version, epoch };
  } catch {
    return undefined;
  }
}
