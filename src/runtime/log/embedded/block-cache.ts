/**
 * Decoded blocks, the recently read ones kept. A block's bytes never change, so a payload that points into one stays
 * right for as long as somebody holds it.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";
import { Block, BlockDamaged } from "./block.ts";
import type { Store } from "./store.ts";

const bytesMax = 8_388_608;

export class BlockCache {
  readonly #store: Store;
  readonly #blocks = new Map<Seq, Block>();
  #bytes = 0;
  #latest: Block | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The block that begins at `first`. */
  get(first: Seq): Block | undefined {
    if (this.#latest?.first === first) return this.#latest;
    const held = this.#blocks.get(first);
    if (held !== undefined) {
      this.#blocks.delete(first);
      this.#blocks.set(first, held);
      this.#latest = held;
      return held;
    }
    const bytes = this.#store.get("blocks", first);
    return bytes && this.#keep(this.#decode(bytes, first));
  }

  /** The block in which `seq` lies. */
  holding(seq: Seq): Block | undefined {
    const latest = this.#latest;
    if (latest !== undefined && seq >= latest.first && seq <= latest.last) return latest;
    // In a scan forward the next block begins where the latest ended.
    const next = latest !== undefined && seq === latest.last + 1 ? this.get(seq) : undefined;
    if (next !== undefined) return next;
    const first = this.#store.keys("blocks", { start: seq, reverse: true, limit: 1 })[0] as Seq | undefined;
    const block = first === undefined ? undefined : this.get(first);
    return block !== undefined && seq <= block.last ? block : undefined;
  }

  drop(first: Seq): void {
    this.#bytes -= this.#blocks.get(first)?.byteLength ?? 0;
    this.#blocks.delete(first);
    if (this.#latest?.first === first) this.#latest = undefined;
  }

  #decode(bytes: Uint8Array, first: Seq): Block {
    try {
      return new Block(bytes, first);
    } catch (cause) {
      if (!(cause instanceof BlockDamaged)) throw cause;
      throw new Error(`${this.#store.file}: ${cause.message}; restore it from a backup`, { cause });
    }
  }

  #keep(block: Block): Block {
    this.#latest = block;
    this.#blocks.set(block.first, block);
    this.#bytes += block.byteLength;
    for (const [first, oldest] of this.#blocks) {
      if (this.#bytes <= bytesMax || first === block.first) break;
      this.#bytes -= oldest.byteLength;
      this.#blocks.delete(first);
    }
    return block;
  }
}
