/**
 * The rows that are measured: which load, against whom, which numbers are shown and what the goal is.
 * @module
 */
import type { LoadName } from "./load/job.ts";
import type { TargetName } from "./targets/target.ts";

export type Scenario = {
  readonly title: string;
  readonly goal: string;
  readonly load: LoadName;
  readonly qos: 0 | 1 | 2;
  readonly seconds: number;
  readonly numbers: Readonly<Record<string, number>>;
  readonly targets: readonly TargetName[];
  /** Measure and heading, in the order of the table. */
  readonly columns: readonly (readonly [measure: string, heading: string])[];
  /** A cost that is also shown as how many times less it is than these targets' in the same run. */
  readonly ratio?: { readonly cost: string; readonly to: readonly TargetName[] };
};

const everybody: readonly TargetName[] = [
  "weir",
  "weir-sdk",
  "weir-nats",
  "weir-nats-3",
  "bun",
  "ws",
  "socketio",
  "mosquitto",
];
const throughputColumns: Scenario["columns"] = [
  ["perSecond", "records/s"],
  ["serverUsPerRecord", "server µs CPU/record"],
  ["storeUsPerRecord", "store µs CPU/record"],
  ["serverBusyPercent", "server core %"],
  ["loadBusyPercent", "generator core %"],
  ["records", "records sent"],
  ["lost", "lost"],
  ["copies", "copies"],
];
const fanoutColumns: Scenario["columns"] = [
  ["deliveriesPerSecond", "deliveries/s"],
  ["serverUsPerDelivery", "server µs CPU/delivery"],
  ["serverBusyPercent", "server core %"],
  ["loadBusyPercent", "generator core %"],
  ["lost", "lost"],
  ["copies", "copies"],
];
const fanoutTargets: readonly TargetName[] = ["weir", "weir-qos0", "weir-memory", "bun", "ws", "socketio", "mosquitto"];

export const scenarios = {
  "durable-batched": {
    title: "Exactly-once publish → deliver, batches of 50 × 200 B, one publisher, one subscriber",
    goal: "≥ 250 000 records/s and ≤ 4 µs server CPU a record, durable",
    load: "throughput",
    qos: 2,
    seconds: 10,
    numbers: { batch: 50, inFlight: 4_000 },
    targets: everybody,
    columns: throughputColumns,
  },
  "durable-unbatched": {
    title: "The same, one publish per frame, pipelined",
    goal: "≥ 80 000 records/s, durable",
    load: "throughput",
    qos: 2,
    seconds: 10,
    numbers: { batch: 1, inFlight: 4_000 },
    // The SDK has no unbatched mode: what is published in a tick travels together.
    targets: everybody.filter((name) => name !== "weir-sdk"),
    columns: throughputColumns,
  },
  "fanout-1000": {
    title: "Fan-out to 1 000 subscribers, one record a tick",
    goal: "≥ 0.9 × raw Bun.serve",
    load: "fanout",
    qos: 1,
    seconds: 10,
    numbers: { subscribers: 1_000, perTick: 1, inFlightTicks: 4 },
    targets: fanoutTargets,
    columns: fanoutColumns,
    ratio: { cost: "serverUsPerDelivery", to: ["bun"] },
  },
  "fanout-1000-by-10": {
    title: "Fan-out to 1 000 subscribers, 10 records a tick",
    goal: "≥ 3 × raw Bun.serve with one record a tick",
    load: "fanout",
    qos: 1,
    seconds: 10,
    numbers: { subscribers: 1_000, perTick: 10, inFlightTicks: 4 },
    targets: [...fanoutTargets, "bun-one-a-tick"],
    columns: fanoutColumns,
    ratio: { cost: "serverUsPerDelivery", to: ["bun-one-a-tick", "bun"] },
  },
  "idle-10000": {
    title: "10 000 attached and idle",
    goal: "≤ 12 KB RSS a session",
    load: "idle",
    qos: 1,
    seconds: 5,
    numbers: { peers: 10_000 },
    targets: ["weir", "bun", "ws", "socketio", "mosquitto"],
    columns: [
      ["rssKbEach", "RSS KB each"],
      ["anonKbEach", "anonymous KB each"],
      ["rssKbEachAtOnce", "RSS KB each right after opening"],
      ["tcpBufferKbEach", "kernel TCP buffers KB each, both ends"],
      ["slabKbEach", "kernel slab KB each, both ends"],
      ["opensPerSecond", "opened/s"],
      ["rssMb", "server RSS MB"],
    ],
  },
  "latency-10k": {
    title: "Publish → deliver at 10 000 records/s, open loop",
    goal: "p99 < 5 ms, durable",
    load: "latency",
    qos: 2,
    seconds: 10,
    numbers: { perSecond: 10_000 },
    targets: everybody,
    columns: [
      ["perSecond", "records/s"],
      ["p50Ms", "p50 ms"],
      ["p99Ms", "p99 ms"],
      ["p999Ms", "p99.9 ms"],
      ["maxMs", "max ms"],
      ["serverUsPerRecord", "server µs CPU/record"],
      ["storeUsPerRecord", "store µs CPU/record"],
      ["lost", "lost"],
      ["copies", "copies"],
    ],
  },
  "return-5000": {
    title: "5 000 clients away for 2 s, 20 records missed each, all back at once",
    goal: "100 % delivered, replay p99 < 1 s",
    load: "return",
    qos: 2,
    seconds: 2,
    numbers: { clients: 5_000, topics: 100, missedPerTopic: 20, awayMs: 2_000 },
    targets: ["weir", "socketio", "mosquitto"],
    columns: [
      ["deliveredPercent", "delivered %"],
      ["p50Ms", "replay p50 ms"],
      ["p95Ms", "p95 ms"],
      ["p99Ms", "p99 ms"],
      ["allMs", "all back ms"],
      ["serverUsPerClient", "server µs CPU/client"],
      ["copies", "copies"],
      ["refused", "refused"],
    ],
  },
  soak: {
    title: "Mixed load for 10 minutes, a connection lost and resumed every second",
    goal: "memory flat, nothing lost",
    load: "soak",
    qos: 2,
    seconds: 600,
    numbers: { topics: 4, subscribersPerTopic: 5, perSecond: 4_000 },
    targets: ["weir"],
    columns: [
      ["recordsPublished", "published"],
      ["deliveries", "deliveries"],
      ["resumes", "resumes"],
      ["failedResumes", "failed"],
      ["lost", "lost"],
      ["copiesQos2", "copies at QoS 2"],
      ["rssStartMb", "RSS MB at 25 %"],
      ["rssEndMb", "at the end"],
      ["rssMbPerMinute", "RSS MB/min"],
      ["anonStartMb", "anonymous MB at 25 %"],
      ["anonEndMb", "at the end"],
      ["anonMbPerMinute", "anonymous MB/min"],
      ["serverBusyPercent", "server core %"],
    ],
  },
} as const satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof scenarios;
export const scenarioNames = Object.keys(scenarios) as ScenarioName[];
