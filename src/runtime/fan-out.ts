/**
 * The hub of a node, wired to its transport, and what is counted of each delivery.
 * @module
 */
import { codecs } from "../protocol/codecs.ts";
import { Hub, type HubOptions } from "./hub.ts";
import type { LogRecord } from "./log/event-log.ts";
import { type Counters, observeAges } from "./metrics.ts";
import type { Ports } from "./ports.ts";

export type FanOutParts = Pick<HubOptions, "frame" | "recent" | "look"> & {
  readonly counters: Counters;
  publish(channel: string, data: Uint8Array | string): void;
};

export function fanOut({ log, clock, tracer }: Ports, { counters, publish, ...options }: FanOutParts) {
  const delivered = (records: readonly LogRecord[], receivers: number): void => {
    observeAges(counters.messageLatency, records, { now: clock.now(), receivers });
    tracer?.delivered(records, receivers);
  };
  const sent = (records: readonly LogRecord[], bytes: number, receivers: number): void => {
    counters.fanOut(records.length, bytes, receivers);
    delivered(records, receivers);
  };
  const hub = new Hub(log, { clock, output: { codecs, publish, sent }, ...options });
  return { hub, delivered };
}
