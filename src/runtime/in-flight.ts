/**
 * What a reader has sent and the receiver has not acknowledged: totals, and one entry per frame and lane.
 *
 * Bounded by the subscription's window.
 * @module
 */
import { type DeliveredRecord, recordBytes } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import { type Lane, lanes } from "../protocol/lane.ts";

type Size = { readonly records: number; readonly bytes: number };
export type Piece = Size & { readonly upTo: Seq };

export function pieceOf(records: readonly DeliveredRecord[], upTo: Seq): Piece {
  let bytes = 0;
  for (const record of records) bytes += recordBytes(record);
  return { upTo, records: records.length, bytes };
}

export class InFlight {
  readonly #pieces: Piece[][] = lanes.map(() => []);
  records = 0;
  bytes = 0;

  push(lane: Lane, piece: Piece): void {
    (this.#pieces[lane] as Piece[]).push(piece);
    this.records += piece.records;
    this.bytes += piece.bytes;
  }

  of(lane: Lane): Size {
    let [records, bytes] = [0, 0];
    for (const piece of this.#pieces[lane] as Piece[]) {
      records += piece.records;
      bytes += piece.bytes;
    }
    return { records, bytes };
  }

  has(lane: Lane): boolean {
    return (this.#pieces[lane] as Piece[]).length > 0;
  }

  /** Pieces that end at or before `seq` are acknowledged. */
  settle(lane: Lane, seq: Seq): void {
    const pieces = this.#pieces[lane] as Piece[];
    let settled = 0;
    while (settled < pieces.length && (pieces[settled] as Piece).upTo <= seq)
      this.#subtract(pieces[settled++] as Piece);
    if (settled > 0) pieces.splice(0, settled);
  }

  /** Pieces that end after `seq` will be sent again, and count anew then. */
  takeBack(lane: Lane, seq: Seq): void {
    const pieces = this.#pieces[lane] as Piece[];
    while (pieces.length > 0 && (pieces[pieces.length - 1] as Piece).upTo > seq) this.#subtract(pieces.pop() as Piece);
  }

  #subtract(piece: Piece): void {
    this.records -= piece.records;
    this.bytes -= piece.bytes;
  }
}
