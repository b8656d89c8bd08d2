/**
 * One member of a pool as its coordinator sees it: what it has, what waits for it alone, how it has done.
 *
 * Pure.
 * @module
 */
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Lane } from "../../protocol/lane.ts";
import { DecayingAverage } from "../balancer/decaying-average.ts";
import type { PoolMember } from "./events.ts";
import { Waiting } from "./waiting.ts";

/** A record as it is read. */
export type Work<R> = {
  readonly seq: Seq;
  readonly lane: Lane;
  readonly bytes: number;
  /** What it stays with one member by. */
  readonly key: string | undefined;
  /** Only members with this tag get it. */
  readonly tag: string | undefined;
  readonly record: R;
};

/** A record that is not settled. */
export type Item<R> = Omit<Work<R>, "record"> & {
  /** Gone once it was given out: whoever needs it again reads it again. */
  record: R | undefined;
  /** Times that it was given out. */
  attempts: number;
  /** It may have been given out once more, by a coordinator that died before it said so. */
  perhaps: boolean;
  /** When it began to wait. */
  since: EpochMs;
  givenAt: EpochMs;
};

export class Slot<R> {
  readonly id: string;
  member: PoolMember;
  readonly tags: ReadonlySet<string>;
  /** Oldest first. */
  readonly held = new Map<Seq, Item<R>>();
  heldBytes = 0;
  /** What waits for this member and no other. */
  readonly bound = new Waiting<Item<R>>();
  done = 0;
  failed = 0;
  /** Left out for a while, because it failed too often in a row. */
  ejected = false;
  readonly response = new DecayingAverage();

  constructor(member: PoolMember) {
    this.id = member.id;
    this.member = member;
    this.tags = new Set(member.tags);
  }

  /** One more record fits. One always does where there is none, however large. */
  hasRoom(bytesMax: number): boolean {
    return this.held.size < this.member.capacity && (this.held.size === 0 || this.heldBytes < bytesMax);
  }

  get load(): number {
    return this.held.size + this.bound.size;
  }

  give(item: Item<R>, at: EpochMs): void {
    item.givenAt = at;
    item.attempts++;
    this.held.set(item.seq, item);
    this.heldBytes += item.bytes;
  }

  take(seq: Seq): Item<R> | undefined {
    const item = this.held.get(seq);
    if (item === undefined) return undefined;
    this.held.delete(seq);
    this.heldBytes -= item.bytes;
    return item;
  }
}
