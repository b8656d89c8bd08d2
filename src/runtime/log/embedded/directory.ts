/**
 * Decides whether a directory holds a log of ours that can be opened, before LMDB maps it: a file shorter than it says
 * would end the process at the first read of what is missing.
 * @module
 */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { LogOpenError } from "../event-log.ts";

export const logFileName = "log.mdb";
/** What may lie in a directory before the log has been made. */
const ownFiles = new Set([logFileName, `${logFileName}-lock`, "writer.lock", "writer.lock-journal", "writer.pid"]);
const magic = 0xbeefc0de;
/** Offsets in a meta page of LMDB 0.9.90, page header and checksum space included. */
const at = { magic: 24, pageSize: 48, lastPage: 144, transaction: 152, length: 160 } as const;
/** LMDB may end a file a few pages early: those it took and gave back within one commit. */
const missingPagesMax = 256;

/** Makes the directory when it is to be written and missing; answers the log file's path. */
export function prepareDirectory(directory: string, readOnly: boolean): string {
  const file = join(directory, logFileName);
  try {
    if (!readOnly) mkdirSync(directory, { recursive: true });
    accessSync(directory, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
    if (existsSync(file)) accessSync(file, readOnly ? constants.R_OK : constants.R_OK | constants.W_OK);
  } catch (cause) {
    const message = `Cannot ${readOnly ? "read" : "write"} ${directory}: ${(cause as Error).message}`;
    throw new LogOpenError("notWritable", message, { cause });
  }
  if (!existsSync(file)) {
    if (readOnly) throw new LogOpenError("foreign", `${directory} holds no log: there is no ${logFileName}`);
    const strange = readdirSync(directory).find((name) => !ownFiles.has(name));
    if (strange !== undefined) {
      throw new LogOpenError(
        "foreign",
        `${directory} is not empty and holds no log (there is ${strange}): name an empty directory`,
      );
    }
    return file;
  }
  checkFile(file, readOnly);
  return file;
}

function checkFile(file: string, readOnly: boolean): void {
  const fd = openSync(file, "r");
  try {
    const first = metaAt(fd, 0);
    if (first === undefined && fstatSync(fd).size === 0) return;
    const second = first && metaAt(fd, first.readUInt32LE(at.pageSize));
    if (first === undefined || second === undefined) {
      throw new LogOpenError("corrupt", `${file} is not a log, or its beginning is damaged: restore it from a backup`);
    }
    const newest = first.readBigUInt64LE(at.transaction) > second.readBigUInt64LE(at.transaction) ? first : second;
    const pageSize = first.readUInt32LE(at.pageSize);
    const needed = (Number(newest.readBigUInt64LE(at.lastPage)) + 1) * pageSize;
    const { size } = fstatSync(fd);
    if (size >= needed) return;
    if (size < 2 * pageSize || size < needed - missingPagesMax * pageSize) {
      throw new LogOpenError(
        "corrupt",
        `${file} is cut off, it has ${size} bytes of ${needed}: restore it from a backup`,
      );
    }
    // Reading past the end of a mapped file would end the process; reading zeros is an error that can be told.
    if (!readOnly) truncateSync(file, needed);
  } finally {
    closeSync(fd);
  }
}

function metaAt(fd: number, position: number): Buffer | undefined {
  const page = Buffer.alloc(at.length);
  const whole = readSync(fd, page, 0, at.length, position) === at.length;
  return whole && page.readUInt32LE(at.magic) === magic ? page : undefined;
}
