import { describe, expect, test } from "bun:test";
import { exposition } from "../../src/runtime/exposition.ts";
import { Counters, LatencyHistogram, observeAges } from "../../src/runtime/metrics.ts";
import { systemProcess } from "../../src/runtime/process-probe.ts";
import { stillProcess } from "../support/still-process.ts";

const info = {
  epoch: "e",
  tier: "disk",
  firstSeq: 5,
  lastSeq: 9,
  records: 5,
  bytes: 900,
  transactions: true,
  shared: false,
} as const;
const still = stillProcess({ cpuSeconds: () => 1.5, residentBytes: () => 2_048 });

/** Samples by name and labels. */
async function scrape(counters: Counters): Promise<Map<string, number>> {
  const text = await exposition({
    counters,
    process: still,
    version: "1.2.3",
    log: () => info,
    sessions: () => 4,
    members: () => [],
    pools: () => [],
    presence: () => ({ members: 0, topics: 0, tracked: 0, watches: 0, repairs: 0 }),
  }).text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

describe("LatencyHistogram", () => {
  test("counts a value in the first bucket whose bound it does not pass", () => {
    const histogram = new LatencyHistogram();
    for (const ms of [0, 0.5, 0.6, 10_000, 10_001]) histogram.observe(ms);
    expect(histogram.buckets).toEqual([2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expect([histogram.count, histogram.sumMs]).toEqual([5, 20_002.1]);
  });
});

describe("exposition()", () => {
  test("tells what the counters hold when it is read, also after they changed", async () => {
    const counters = new Counters();
    const metrics = exposition({
      counters,
      process: still,
      version: "1.2.3",
      log: () => info,
      sessions: () => 4,
      members: () => [],
      pools: () => [],
      presence: () => ({ members: 0, topics: 0, tracked: 0, watches: 0, repairs: 0 }),
    });
    counters.connections = 3;
    counters.recordsDelivered += 1_000;
    expect(await metrics.text()).toContain("\nwebsocket_connections 3\n");
    counters.connections = 2;
    counters.recordsDelivered += 1;
    const text = await metrics.text();
    expect(text).toContain("\nwebsocket_connections 2\n");
    expect(text).toContain("\nweir_records_delivered_total 1001\n");
    expect(metrics.contentType).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  test("has a sample for every counter", async () => {
    const counters = new Counters();
    const numbers = Object.keys(counters).filter(
      (name) => typeof counters[name as "connections"] === "number",
    ) as "connections"[];
    for (const [index, name] of numbers.entries()) counters[name] = 7_000_001 + index;
    const values = [...(await scrape(counters)).values()];
    expect(values).toEqual(expect.arrayContaining(numbers.map((_, index) => 7_000_001 + index)));
  });

  test("tells the log, the process and the version", async () => {
    const samples = await scrape(new Counters());
    expect(Object.fromEntries(samples)).toMatchObject({
      weir_log_records: 5,
      weir_log_bytes: 900,
      weir_log_first_seq: 5,
      weir_log_last_seq: 9,
      process_cpu_seconds_total: 1.5,
      process_resident_memory_bytes: 2_048,
      weir_sessions: 4,
      'weir_info{version="1.2.3"}': 1,
    });
  });

  test("has the append latency as a cumulative histogram in seconds", async () => {
    const counters = new Counters();
    for (const ms of [0.4, 3, 3, 20_000]) counters.appendLatency.observe(ms);
    const samples = await scrape(counters);
    expect(samples.get('weir_append_seconds_bucket{le="0.0005"}')).toBe(1);
    expect(samples.get('weir_append_seconds_bucket{le="0.002"}')).toBe(1);
    expect(samples.get('weir_append_seconds_bucket{le="0.005"}')).toBe(3);
    expect(samples.get('weir_append_seconds_bucket{le="10"}')).toBe(3);
    expect(samples.get('weir_append_seconds_bucket{le="+Inf"}')).toBe(4);
    expect(samples.get("weir_append_seconds_count")).toBe(4);
    expect(samples.get("weir_append_seconds_sum")).toBeCloseTo(20.0064);
  });
});

describe("observeAges()", () => {
  test("counts each record for each receiver by its own age, none below zero", () => {
    const histogram = new LatencyHistogram();
    observeAges(histogram, [], { now: 102, receivers: 10 });
    observeAges(histogram, [{ time: 95 }, { time: 100 }, { time: 100 }, { time: 130 }], { now: 102, receivers: 10 });
    expect([histogram.count, histogram.sumMs]).toEqual([40, 2 * 10 * 2 + 7 * 10]);
    expect(histogram.buckets.slice(0, 5)).toEqual([10, 0, 20, 0, 10]);
    observeAges(histogram, [{ time: 100 }, { time: 100 }], { now: 102, receivers: 3 });
    expect(histogram.buckets[2]).toBe(26);
  });
});

describe("exposition() of what has names", () => {
  test("has one sample for each reason and error that occurred", async () => {
    const counters = new Counters();
    counters.noteClosed("lost");
    counters.noteClosed("lost");
    counters.noteClosed("slowConsumer");
    counters.noteError("badTopic");
    const samples = await scrape(counters);
    expect(Object.fromEntries(samples)).toMatchObject({
      'weir_connections_closed_total{reason="lost"}': 2,
      'weir_connections_closed_total{reason="slowConsumer"}': 1,
      'weir_errors_total{error="badTopic"}': 1,
    });
  });

  test("has no pauses of a collector that the runtime does not tell of", async () => {
    expect([...(await scrape(new Counters())).keys()].filter((name) => name.startsWith("weir_gc"))).toEqual([]);
  });
});

describe("systemProcess()", () => {
  test("tells real CPU time and memory, and a blocked event loop", async () => {
    const probe = systemProcess();
    const before = probe.cpuSeconds();
    const spentUs = (): number => process.cpuUsage().user + process.cpuUsage().system;
    const from = spentUs();
    const turned = Promise.withResolvers<void>();
    setTimeout(() => {
      while (spentUs() < from + 150_000);
      setTimeout(turned.resolve, 60);
    }, 60);
    await turned.promise;
    const { boundsMs, buckets, count, sumMs } = probe.loopDelay;
    expect(buckets.slice(boundsMs.indexOf(100)).some((times) => times > 0)).toBe(true);
    expect([count > 2, sumMs > 75]).toEqual([true, true]);
    expect(probe.cpuSeconds() - before).toBeGreaterThanOrEqual(0.15);
    expect(probe.residentBytes()).toBeGreaterThan(10_000_000);
    expect(probe.heap().usedBytes).toBeGreaterThan(1_000_000);
    expect(probe.gcPauses).toBeUndefined();
    probe.stop();
  });
});
