/**
 * What an earlier coordinator left: records that its journal tells of, and records that members still have or were done
 * with, told by them. Nothing is known of such a record but its place, until it is read again.
 *
 * Pure. Bounded: by what the earlier coordinator had given out and had waiting.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { normalLane } from "../../protocol/lane.ts";
import type { OpenItem } from "./events.ts";
import type { Item, Work } from "./slot.ts";
import type { PoolState } from "./state.ts";

type Left<R> = { item: Item<R>; readonly dueAt: EpochMs; isHeld: boolean };

export class Recovery<R> {
  readonly #upTo: Seq;
  readonly #reserved: Seq;
  readonly #left = new Map<Seq, Left<R>>();
  /** Beyond where reading goes on, and known: not read as new. */
  readonly #ahead = new Set<Seq>();

  constructor({ upTo, reserved, open }: Pick<PoolState, "upTo" | "reserved" | "open">) {
    this.#upTo = upTo;
    this.#reserved = reserved;
    for (const [seq, { attempts, member, dueAt }] of open) {
      // Of one that a member had, that was told; of one that waited, it may not have been.
      const item = { ...unknown<R>(seq), attempts, perhaps: member === undefined };
      this.#left.set(seq, { item, dueAt, isHeld: false });
      if (seq > upTo) this.#ahead.add(seq);
    }
  }

  /** Undefined: it is settled, or somebody else's. */
  adopt(seq: Seq): Item<R> | undefined {
    const left = this.#left.get(seq) ?? this.#unseen(seq);
    if (left === undefined || left.isHeld) return undefined;
    left.isHeld = true;
    return left.item;
  }

  /** False: it was settled before, or is unknown. */
  settle(seq: Seq): boolean {
    const left = this.#left.get(seq) ?? this.#unseen(seq);
    return left !== undefined && this.#left.delete(seq);
  }

  unread(): readonly Seq[] {
    return [...this.#left.keys()].sort((a, b) => a - b);
  }

  found(seq: Seq, work: Work<R> | undefined): Left<R> | undefined {
    const left = this.#left.get(seq);
    this.#left.delete(seq);
    if (left === undefined || work === undefined) return undefined;
    // One that a member has is known there by this very object, and counted without its bytes.
    const { bytes, record } = left.isHeld ? left.item : work;
    return { ...left, item: Object.assign(left.item, work, { bytes, record }) };
  }

  /** It is not to be read as new. */
  knows(seq: Seq): boolean {
    return this.#ahead.delete(seq);
  }

  /** An earlier coordinator may have given it out. */
  perhaps(seq: Seq): boolean {
    return seq <= this.#reserved;
  }

  waiting(): OpenItem[] {
    const waits = [...this.#left.values()].filter(({ isHeld }) => !isHeld);
    return waits.map(({ item: { seq, attempts } }) => ({ item: seq, attempts }));
  }

  /** Given out after the journal was written last. */
  #unseen(seq: Seq): Left<R> | undefined {
    if (seq <= this.#upTo || seq > this.#reserved || this.#ahead.has(seq)) return undefined;
    this.#ahead.add(seq);
    const left = { item: unknown<R>(seq), dueAt: 0, isHeld: false };
    this.#left.set(seq, left);
    return left;
  }
}

function unknown<R>(seq: Seq): Item<R> {
  const about = { lane: normalLane, bytes: 0, key: undefined, tag: undefined, record: undefined };
  return { seq, ...about, attempts: 0, perhaps: true, since: 0, givenAt: 0 };
}
