/**
 * What a reader has sent and the receiver has not acknowledged: totals, and a few pieces for each frame and lane.
 *
 * A piece gives its room back when its end is acknowledged. So that a receiver which acknowledges half of its window
 * gets as much anew, a piece is no larger than a sixteenth of the window, one larger record aside.
 * @module
 */
import { type DeliveredRecord, recordBytes } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import { type Lane, lanes } from "../protocol/lane.ts";

export type Size = { readonly records: number; readonly bytes: number };
export type Piece = Size & { readonly upTo: Seq };

/** Share of a window, or of a frame of the fan-out, that is given back at once. */
const piecesMin = 16;

/** Records in a row as pieces, none larger than a sixteenth of `whole` but for a single record. */
export function* piecesOf(records: readonly DeliveredRecord[], whole: Size): Iterable<Piece> {
  const max = { records: whole.records / piecesMin, bytes: whole.bytes / piecesMin };
  let [count, bytes] = [0, 0];
  for (let at = 0; at < records.length; at++) {
    const size = recordBytes(records[at] as DeliveredRecord);
    if (count > 0 && (count + 1 > max.records || bytes + size > max.bytes)) {
      yield { upTo: (records[at - 1] as DeliveredRecord).seq, records: count, bytes };
      [count, bytes] = [0, 0];
    }
    count += 1;
    bytes += size;
  }
  if (count > 0) yield { upTo: (records[records.length - 1] as DeliveredRecord).seq, records: count, bytes };
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
