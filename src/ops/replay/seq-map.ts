/**
 * Where the records of one log are in another: the same records at other seqs.
 * @module
 */
import type { LanePositions } from "../../actors/session/state.ts";
import type { Seq } from "../../protocol/ids.ts";

export class SeqMap {
  /** Both ascending; for places between records. */
  readonly #recorded: Seq[] = [];
  readonly #now: Seq[] = [];
  readonly #toNow = new Map<Seq, Seq>();
  readonly #toRecorded = new Map<Seq, Seq>();

  add(recorded: Seq, now: Seq): void {
    this.#toNow.set(recorded, now);
    this.#toRecorded.set(now, recorded);
    this.#recorded.splice(above(this.#recorded, recorded), 0, recorded);
    this.#now.splice(above(this.#now, now), 0, now);
  }

  /** The place of the last record that is known not to be later. */
  toNow(recorded: Seq): Seq {
    return this.#toNow.get(recorded) ?? this.#now[above(this.#recorded, recorded) - 1] ?? 0;
  }

  toRecorded(now: Seq): Seq {
    return this.#toRecorded.get(now) ?? this.#recorded[above(this.#now, now) - 1] ?? 0;
  }

  positionsToNow(positions: LanePositions): LanePositions {
    return positions.map((seq) => this.toNow(seq)) as unknown as LanePositions;
  }

  positionsToRecorded(positions: LanePositions): LanePositions {
    return positions.map((seq) => this.toRecorded(seq)) as unknown as LanePositions;
  }
}

/** Index of the first that is higher. */
function above(list: readonly Seq[], seq: Seq): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as Seq) > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
