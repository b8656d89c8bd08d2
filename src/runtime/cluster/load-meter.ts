/**
 * How busy this node is: rates and delays over the last two seconds.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Counters, LatencyHistogram } from "../metrics.ts";
import type { Clock, ProcessProbe } from "../ports.ts";
import type { NodeLoad } from "./membership.ts";

export type LoadSources = {
  readonly clock: Clock;
  readonly probe: ProcessProbe;
  readonly counters: Counters;
  /** In memory. */
  sessions(): number;
  acceleratorFreeBytes?(): number | undefined;
};

type Sample = {
  readonly at: EpochMs;
  readonly cpuSeconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly delays: readonly number[];
  readonly delayCount: number;
};

const windowMs = 2_000;
/** Taken more often than this, a sample tells nothing new. */
const sampleMs = 250;
const quantile = 0.99;

export class LoadMeter {
  readonly #sources: LoadSources;
  /** Oldest first; those that fit in the window, and the one before it. */
  #samples: Sample[] = [];

  constructor(sources: LoadSources) {
    this.#sources = sources;
  }

  measure(): NodeLoad {
    const { probe, counters, sessions, acceleratorFreeBytes } = this.#sources;
    const now = this.#sample();
    const before = this.#before(now);
    // The wall clock may have been set.
    const seconds = Math.max(sampleMs, now.at - before.at) / 1_000;
    const free = acceleratorFreeBytes?.();
    return {
      connections: counters.connections,
      sessions: sessions(),
      cpu: within01((now.cpuSeconds - before.cpuSeconds) / seconds / probe.cores),
      loopDelayMs: delayOf(probe.loopDelay, before),
      residentBytes: probe.residentBytes(),
      bytesInPerSecond: (now.bytesIn - before.bytesIn) / seconds,
      bytesOutPerSecond: (now.bytesOut - before.bytesOut) / seconds,
      ...(free === undefined ? {} : { acceleratorFreeBytes: free }),
    };
  }

  #sample(): Sample {
    const { clock, probe, counters } = this.#sources;
    const { buckets, count } = probe.loopDelay;
    const { bytesIn, bytesOut } = counters;
    const delays = { delays: [...buckets], delayCount: count };
    return { at: clock.now(), cpuSeconds: probe.cpuSeconds(), bytesIn, bytesOut, ...delays };
  }

  /** What to compare with. */
  #before(now: Sample): Sample {
    const last = this.#samples[this.#samples.length - 1];
    if (last === undefined || Math.abs(now.at - last.at) >= sampleMs) this.#samples.push(now);
    while (this.#samples.length > 1 && Math.abs(now.at - (this.#samples[1] as Sample).at) >= windowMs)
      this.#samples.shift();
    return this.#samples[0] as Sample;
  }
}

/** Upper bound of the bucket that 99 of 100 delays since then were in or below. */
function delayOf({ boundsMs, buckets, count }: LatencyHistogram, since: Sample): number {
  let left = quantile * (count - since.delayCount);
  if (left <= 0) return 0;
  for (const [index, bound] of boundsMs.entries()) {
    left -= (buckets[index] ?? 0) - (since.delays[index] ?? 0);
    if (left <= 0) return bound;
  }
  return boundsMs[boundsMs.length - 1] ?? 0;
}

function within01(share: number): number {
  return Math.min(1, Math.max(0, share));
}
