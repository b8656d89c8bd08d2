/**
 * How many members a pool should have: from what waits and what is given out, against what members take, and from how long
 * work waits. More at once; fewer only when fewer would have done for a whole cool-down, so that it does not flap.
 *
 * Pure: time arrives as `at`. Bounded: what was wanted lately is kept as one number for each eighth of the cool-down.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { PoolScaling } from "./settings.ts";

export type PoolLoad = {
  readonly members: number;
  /** What they take at once, together. */
  readonly capacity: number;
  readonly inFlight: number;
  /** Records that wait: read, and (as an estimate) not yet read. */
  readonly depth: number;
  /** For how long the record waits that waits longest. */
  readonly waitMs: number;
};
export type Wanted = { readonly members: number; readonly why: string };

/** What the pool is loaded with asks for so many members now, whatever was before. */
export function wantedMembers(load: PoolLoad, settings: PoolScaling): Wanted {
  const { members, capacity, inFlight, depth, waitMs } = load;
  const { min, max, targetRatio, latencyMs } = settings;
  const each = members > 0 ? capacity / members : settings.capacity;
  const demand = inFlight + depth;
  const byDemand = Math.ceil(demand / (each * targetRatio));
  // Work waits although there are members enough by number: some are slower than they say.
  const isLate = depth > 0 && waitMs > latencyMs;
  const byLatency = isLate ? members + Math.max(1, Math.ceil(members / 2)) : 0;
  const wanted = Math.min(max, Math.max(min, byDemand, byLatency));
  if (isLate && byLatency >= byDemand)
    return { members: wanted, why: `work waits ${Math.round(waitMs)} ms, at most ${latencyMs} should` };
  return { members: wanted, why: `${inFlight} given out and ${depth} waiting, members take ${round(each)} each` };
}

export type ScalingDecision = { readonly to: number; readonly why: string };

const windows = 8;

export class Scaling {
  #settings: PoolScaling;
  #wanted: number;
  #changedAt: EpochMs = Number.NEGATIVE_INFINITY;
  /** The most that was wanted in each window, newest last. */
  #most: { readonly window: number; members: number; why: string }[] = [];
  #since: EpochMs | undefined;

  /** `wanted`: what was asked for before; 0: nothing was. */
  constructor(settings: PoolScaling, wanted: number) {
    this.#settings = settings;
    this.#wanted = Math.min(settings.max, Math.max(settings.min, wanted));
  }

  get wanted(): number {
    return this.#wanted;
  }

  /** They were changed. What is wanted stays within them. */
  configure(settings: PoolScaling): void {
    this.#settings = settings;
    this.#wanted = Math.min(settings.max, Math.max(settings.min, this.#wanted));
  }

  /** Undefined: it stays as it is. */
  decide(load: PoolLoad, at: EpochMs): ScalingDecision | undefined {
    const { upCoolDownMs, downCoolDownMs } = this.#settings;
    const now = wantedMembers(load, this.#settings);
    this.#note(now, at);
    if (now.members > this.#wanted) {
      if (at - this.#changedAt < upCoolDownMs) return undefined;
      return this.#change(now, at);
    }
    const most = this.#mostLately();
    const isLongEnough = at - (this.#since ?? at) >= downCoolDownMs && at - this.#changedAt >= downCoolDownMs;
    if (most.members >= this.#wanted || !isLongEnough) return undefined;
    return this.#change(most, at);
  }

  #change({ members, why }: Wanted, at: EpochMs): ScalingDecision {
    this.#wanted = members;
    this.#changedAt = at;
    return { to: members, why };
  }

  #note({ members, why }: Wanted, at: EpochMs): void {
    this.#since ??= at;
    const length = Math.max(1, this.#settings.downCoolDownMs / windows);
    const window = Math.floor(at / length);
    const last = this.#most[this.#most.length - 1];
    if (last?.window !== window) this.#most.push({ window, members, why });
    else if (members >= last.members) Object.assign(last, { members, why });
    this.#most = this.#most.filter((one) => one.window >= window - windows);
  }

  #mostLately(): Wanted {
    return this.#most.reduce((most, one) => (one.members > most.members ? one : most));
  }
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
