/**
 * Blobs in their table, cut in pieces so that LMDB never has to find a long run of free pages.
 * @module
 */
import type { Key, Put, Store } from "./store.ts";
import { lastNumber } from "./store.ts";

const pieceBytes = 65_536;

export class BlobTable {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  stagePut(name: string, data: Uint8Array, puts: Put[]): void {
    this.stageDelete(name, puts);
    const pieces = Math.max(1, Math.ceil(data.byteLength / pieceBytes));
    for (let i = 0; i < pieces; i++) {
      puts.push({ table: "blobs", key: [name, i], value: data.subarray(i * pieceBytes, (i + 1) * pieceBytes) });
    }
  }

  stageDelete(name: string, puts: Put[]): void {
    for (const put of [...puts]) {
      if (put.table === "blobs" && (put.key as readonly unknown[])[0] === name)
        puts.push({ table: "blobs", key: put.key });
    }
    for (const key of this.#store.keys("blobs", pieces(name))) puts.push({ table: "blobs", key });
  }

  get(name: string): Uint8Array | undefined {
    const found = this.#store.range("blobs", pieces(name));
    return found.length === 0 ? undefined : Buffer.concat(found.map((piece) => piece.value));
  }
}

function pieces(name: string): { start: Key; end: Key } {
  return { start: [name, 0], end: [name, lastNumber] };
}
