/**
 * A store in one file, for Bun and Node: an append-only list of batches, one JSON line each, flushed with fsync
 * before a write is done; rewritten when it has grown to a multiple of what it holds.
 *
 * An entry of its own, so that browsers never load it. A last line that a crash cut off was never acknowledged
 * and is dropped; any other broken line is an error.
 * @module
 */
import type { ClientStore, StoreChange, StoredValue } from "./store.ts";

type FileHandle = {
  appendFile(data: string): Promise<void>;
  writeFile(data: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
};
/** The part of node:fs/promises that is used; typed here because the SDK compiles without Node's types. */
type FileSystem = {
  open(path: string, flags: string, mode?: number): Promise<FileHandle>;
  readFile(path: string, encoding: "utf8"): Promise<string>;
  rename(from: string, to: string): Promise<void>;
};

/** Rewriting smaller files would not be worth an fsync. */
const rewriteCharsMin = 1_048_576;
const rewriteFactor = 4;
/** The file holds the secret that resumes the session. */
const ownerOnly = 0o600;

export function fileStore(path: string): ClientStore {
  return new FileStore(path);
}

class FileStore implements ClientStore {
  readonly #path: string;
  readonly #entries = new Map<string, string>();
  #file: FileHandle | undefined;
  #chars = 0;
  #heldChars = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<ReadonlyMap<string, StoredValue>> {
    const { readFile } = await fileSystem();
    const text = await readFile(this.#path, "utf8").catch((error: { code?: string }) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const end = text.lastIndexOf("\n") + 1;
    for (const [index, line] of text.slice(0, end).split("\n").entries()) {
      if (line !== "") this.#apply(this.#parse(line, index + 1));
    }
    await this.#rewrite(); // Also cuts off an unfinished last line.
    return new Map([...this.#entries].map(([key, json]) => [key, JSON.parse(json, revive)]));
  }

  async write(changes: readonly StoreChange[]): Promise<void> {
    const batch = changes.map(({ key, value }): [string, string | null] => [
      key,
      value === undefined ? null : JSON.stringify(value, replace),
    ]);
    const line = `${JSON.stringify(batch)}\n`;
    const file = await this.#opened();
    await file.appendFile(line).catch(async (error: unknown) => {
      // Part of the line may be there; what is appended later must not continue it.
      await this.#rewrite();
      throw error;
    });
    await file.sync();
    this.#apply(batch);
    this.#chars += line.length;
    if (this.#chars > rewriteCharsMin && this.#chars > rewriteFactor * this.#heldChars) await this.#rewrite();
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  #parse(line: string, number: number): [string, string | null][] {
    try {
      return JSON.parse(line) as [string, string | null][];
    } catch (error) {
      throw new Error(`Client store ${this.#path} is corrupt at line ${number}`, { cause: error });
    }
  }

  #apply(batch: readonly [string, string | null][]): void {
    for (const [key, json] of batch) {
      const before = this.#entries.get(key);
      if (before !== undefined) this.#heldChars -= key.length + before.length;
      if (json === null) this.#entries.delete(key);
      else {
        this.#entries.set(key, json);
        this.#heldChars += key.length + json.length;
      }
    }
  }

  async #opened(): Promise<FileHandle> {
    this.#file ??= await (await fileSystem()).open(this.#path, "a", ownerOnly);
    return this.#file;
  }

  /** Writes what is held beside the old file, then takes its place: a crash leaves one of the two whole. */
  async #rewrite(): Promise<void> {
    const { open, rename } = await fileSystem();
    const text = this.#entries.size === 0 ? "" : `${JSON.stringify([...this.#entries])}\n`;
    const beside = `${this.#path}.new`;
    const file = await open(beside, "w", ownerOnly);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.close();
    await rename(beside, this.#path);
    await syncFolder(this.#path);
    this.#chars = text.length;
  }
}

/** Makes the rename itself durable; systems that cannot open folders (Windows) do without. */
async function syncFolder(path: string): Promise<void> {
  const { open } = await fileSystem();
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const folder = await open(cut <= 0 ? (cut === 0 ? "/" : ".") : path.slice(0, cut), "r").catch(() => undefined);
  if (folder === undefined) return;
  await folder.sync().catch(() => undefined);
  await folder.close();
}

function fileSystem(): Promise<FileSystem> {
  const name = "node:fs/promises"; // A variable, so that neither bundlers nor the compiler follow it.
  return import(name) as Promise<FileSystem>;
}

const bytesKey = "$bytes";
const chunk = 8_192;

function replace(_key: string, value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  let binary = "";
  for (let at = 0; at < value.length; at += chunk) binary += String.fromCharCode(...value.subarray(at, at + chunk));
  return { [bytesKey]: btoa(binary) };
}

/** Only payloads are bytes; looking at the key keeps a header that is called `$bytes` what it is. */
function revive(key: string, value: unknown): unknown {
  if (key !== "payload" || typeof value !== "object" || value === null) return value;
  const encoded = (value as Record<string, unknown>)[bytesKey];
  if (typeof encoded !== "string") return value;
  return Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
}
