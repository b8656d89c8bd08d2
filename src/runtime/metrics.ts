/**
 * What a node counts. Plain fields, so that the paths that every record takes pay an addition and nothing
 * more; exposition.ts reads them when somebody asks.
 *
 * Pure.
 * @module
 */

import type { CloseName } from "../protocol/close-code.ts";
import type { DecisionView } from "./cluster/assigner.ts";
import type { TicketOutcome } from "./cluster/redirect.ts";
import type { HistogramView } from "./inspection.ts";

/** Upper bounds of the buckets; from a flushed commit on a good disk to a log in trouble. */
const latencyBoundsMs = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const;

export class LatencyHistogram {
  readonly boundsMs: readonly number[] = latencyBoundsMs;
  /** One per bound, not cumulative; what is above the last bound is in `count` alone. */
  readonly buckets: number[] = latencyBoundsMs.map(() => 0);
  count = 0;
  sumMs = 0;

  /** `times`: so often the same value. */
  observe(ms: number, times = 1): void {
    this.count += times;
    this.sumMs += ms * times;
    for (let index = 0; index < latencyBoundsMs.length; index += 1) {
      if (ms > (latencyBoundsMs[index] as number)) continue;
      this.buckets[index] = (this.buckets[index] as number) + times;
      return;
    }
  }

  view(): HistogramView {
    const { count, sumMs, boundsMs, buckets } = this;
    return { count, sumMs, boundsMs: [...boundsMs], buckets: [...buckets] };
  }
}

/**
 * How old records were at `now`, each receiver counted. Those of one group commit bear the same time and cost one look:
 * time does not run back within a frame, so what begins and ends with the same has no other.
 */
export function observeAges(
  histogram: LatencyHistogram,
  records: readonly { readonly time: number }[],
  { now, receivers }: { readonly now: number; readonly receivers: number },
): void {
  const first = records[0]?.time;
  if (first === undefined) return;
  // Where several machines write, their clocks need not agree.
  if (records[records.length - 1]?.time === first)
    return histogram.observe(Math.max(0, now - first), records.length * receivers);
  for (const { time } of records) histogram.observe(Math.max(0, now - time), receivers);
}

export class Counters {
  /** Now. */
  connections = 0;
  sessionsAttached = 0;
  /** Subscriptions that are fed by a reader of their own. */
  subscriptionsBehind = 0;

  /** Requests of clients here that wait for their response, and requests that clients here have to answer. */
  requestsOpen = 0;
  requestsServing = 0;

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
  /** Told of sessions, repeats included. */
  lifecycleRecords = 0;
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
  /** From the log's acceptance of a record to its hand-over to a socket, while the receiver was there. */
  readonly messageLatency = new LatencyHistogram();
  /** Silence of members when this node found them unhealthy. */
  readonly detection = new LatencyHistogram();
  /** Connections that ended, by why; `lost`: nobody said goodbye. As many as there are close codes. */
  readonly closed = new Map<CloseName | "lost", number>();
  /** Requests of clients here that ended, by how: `response`, `error` (the responder's own), `cancelled`, or an error's name. */
  readonly requests = new Map<string, number>();
  /** From the gateway's taking of a request to its answer. */
  readonly requestLatency = new LatencyHistogram();
  /** ERROR frames, by name. As many as there are error codes. */
  readonly errors = new Map<string, number>();

  /** Tickets issued and presented, by what came of it. */
  readonly tickets = new Map<TicketOutcome, number>();
  /** The balancer's, by what they were for. */
  readonly decisions = new Map<DecisionView["way"], number>();

  noteTicket(outcome: TicketOutcome): void {
    this.tickets.set(outcome, (this.tickets.get(outcome) ?? 0) + 1);
  }

  noteDecision(way: DecisionView["way"]): void {
    this.decisions.set(way, (this.decisions.get(way) ?? 0) + 1);
  }

  noteClosed(why: CloseName | "lost"): void {
    this.closed.set(why, (this.closed.get(why) ?? 0) + 1);
  }

  noteError(name: string): void {
    this.errors.set(name, (this.errors.get(name) ?? 0) + 1);
  }

  /** A frame went by native fan-out. */
  fanOut(records: number, bytes: number, receivers: number): void {
    this.framesOut += receivers;
    this.bytesOut += bytes * receivers;
    this.recordsDelivered += records * receivers;
    this.fanOutFrames++;
    this.fanOutRecords += records;
    this.fanOutBytes += bytes;
    this.fanOutFramesSent += receivers;
    this.fanOutBytesSent += bytes * receivers;
  }
}
