/**
 * What a node counts. Plain fields, so that the paths that every record takes pay an addition and nothing
 * more; exposition.ts reads them when somebody asks.
 *
 * Pure.
 * @module
 */

/** Upper bounds of the buckets; from a flushed commit on a good disk to a log in trouble. */
const latencyBoundsMs = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const;

export class LatencyHistogram {
  readonly boundsMs: readonly number[] = latencyBoundsMs;
  /** One per bound, not cumulative; what is above the last bound is in `count` alone. */
  readonly buckets: number[] = latencyBoundsMs.map(() => 0);
  count = 0;
  sumMs = 0;

  observe(ms: number): void {
    this.count += 1;
    this.sumMs += ms;
    for (let index = 0; index < latencyBoundsMs.length; index += 1) {
      if (ms > (latencyBoundsMs[index] as number)) continue;
      this.buckets[index] = (this.buckets[index] as number) + 1;
      return;
    }
  }
}

export class Counters {
  /** Now. */
  connections = 0;
  sessionsAttached = 0;
  /** Subscriptions that are fed by a reader of their own. */
  subscriptionsBehind = 0;

  /** Since the start. */
  connectionsOpened = 0;
  framesIn = 0;
  framesOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  recordsPublished = 0;
  /** Published again and not stored again. */
  recordsDuplicate = 0;
  recordsDelivered = 0;
  /** Connections that ended before WELCOME. */
  handshakesFailed = 0;
  /** Encoded once each for all who are live; `sent`: what they became on the sockets. */
  fanOutFrames = 0;
  fanOutRecords = 0;
  fanOutBytes = 0;
  fanOutFramesSent = 0;
  fanOutBytesSent = 0;
  /** From the call of append to its answer. */
  readonly appendLatency = new LatencyHistogram();
}
