/**
 * What a gateway measures of itself over time, and that it stays within its memory.
 */
import { expect, test } from "bun:test";
import { GatewayHistory, historyBytesMax } from "../../../src/ops/telemetry/gateway-history.ts";
import { HistogramWindow } from "../../../src/ops/telemetry/histogram-window.ts";
import { bytesPerSeries } from "../../../src/ops/telemetry/tiered-series.ts";
import type { Inspector } from "../../../src/runtime/inspection.ts";
import { Counters, LatencyHistogram } from "../../../src/runtime/metrics.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { stillProcess } from "../../support/still-process.ts";

function station(gcPauses?: LatencyHistogram) {
  const clock = new ManualClock();
  const counters = new Counters();
  const probe = stillProcess(gcPauses === undefined ? {} : { gcPauses });
  const node = { connections: 0, inflow: { bytes: 0 }, log: { records: 0, bytes: 0 }, cpuSeconds: 0 };
  const inspector = {
    node: () => ({ ...node, connections: counters.connections }),
    totals: () => ({
      ...counters,
      appends: counters.appendLatency.view(),
      messages: counters.messageLatency.view(),
    }),
  } as unknown as Inspector;
  const history = new GatewayHistory({ probe, clock });
  history.start(inspector);
  return { clock, counters, history, probe, node };
}

test("GatewayHistory measures gauges, rates and quantiles at every full second", () => {
  const { clock, counters, history, node } = station();
  counters.connections = 3;
  counters.recordsPublished += 500;
  node.cpuSeconds = 0.25;
  for (let i = 0; i < 99; i++) counters.messageLatency.observe(1.5);
  counters.messageLatency.observe(400);
  clock.advance(1_000);
  counters.connections = 5;
  clock.advance(1_000);
  const values = (metric: string) => history.query({ metric, stepMs: 1_000 })?.points.map(({ mean }) => mean);
  expect(values("connections")).toEqual([3, 5]);
  expect(values("records.published")).toEqual([500, 0]);
  expect(values("cpu")).toEqual([0.25, 0]);
  // Nothing was delivered in the second second: no quantile of it.
  expect(values("latency.message.p50")?.length).toBe(1);
  expect(values("latency.message.p50")?.[0]).toBeCloseTo(0.0015, 3);
  expect(values("latency.message.p99")?.[0]).toBeCloseTo(0.002, 6);
  expect(history.query({ metric: "nonsense" })).toBeUndefined();
  history.stop();
  expect(clock.pending).toBe(0);
});

test("GatewayHistory has pauses of a collector only where the runtime tells of them", () => {
  const names = ({ history }: ReturnType<typeof station>) => history.metrics().map(({ name }) => name);
  expect(names(station()).filter((name) => name.startsWith("gc."))).toEqual([]);
  expect(names(station(new LatencyHistogram())).filter((name) => name.startsWith("gc."))).toEqual([
    "gc.pause.p50",
    "gc.pause.p99",
  ]);
});

test("GatewayHistory of 24 hours stays within its bound, and answers each range in the step that reaches back to it", () => {
  const { clock, counters, history } = station(new LatencyHistogram());
  expect(history.metrics().length * bytesPerSeries).toBeLessThanOrEqual(historyBytesMax);
  const before = process.memoryUsage().arrayBuffers;
  const from = clock.now();
  for (let hour = 0; hour < 24; hour++) {
    counters.connections = hour;
    clock.advance(3_600_000);
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(historyBytesMax);
  const now = clock.now();
  const steps = [now - 300_000, now - 3_600_000, from].map((since) => {
    const series = history.query({ metric: "connections", from: since });
    return [series?.stepMs, series?.points.length];
  });
  expect(steps).toEqual([
    [1_000, 301],
    [10_000, 361],
    [60_000, 1_440],
  ]);
  const hours = history.query({ metric: "connections", stepMs: 3_600_000 })?.points.map(({ max }) => max);
  expect(hours?.slice(1, 23)).toEqual(Array.from({ length: 22 }, (_, hour) => hour + 1));
}, 60_000);

test("HistogramWindow places values evenly inside their bucket, and nothing above the last bound", () => {
  const histogram = new LatencyHistogram();
  const window = new HistogramWindow();
  for (let i = 0; i < 100; i++) histogram.observe(15);
  expect(window.next(histogram, [0.5, 1])).toEqual([15, 20]);
  expect(window.next(histogram, [0.5])).toEqual([undefined]);
  histogram.observe(99_999);
  expect(window.next(histogram, [0.99])).toEqual([10_000]);
});
