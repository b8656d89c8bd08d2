/**
 * The counters in Prometheus' text format, read when somebody asks and not before.
 *
 * Not prom-client's default metrics: on Bun several of them are made up (a heap of the size of the address
 * space, a least event-loop lag of 292 years).
 * @module
 */
import { Counter, Gauge, type Metric, Registry } from "prom-client";
import { nodeStatuses } from "../actors/node/events.ts";
import type { Member } from "./cluster/membership.ts";
import type { LogInfo } from "./log/event-log.ts";
import type { Counters, LatencyHistogram } from "./metrics.ts";
import { registerPools } from "./pool/pool-metrics.ts";
import type { PoolView } from "./pool/pool-view.ts";
import type { ProcessProbe } from "./ports.ts";
import type { PresenceFigures } from "./presence/presence.ts";

export type ExpositionSources = {
  readonly counters: Counters;
  readonly process: ProcessProbe;
  readonly version: string;
  log(): LogInfo;
  /** Sessions in memory. */
  sessions(): number;
  /** Of the cluster, this node too. */
  members(): readonly Member[];
  /** Those that this node coordinates. */
  pools(): readonly PoolView[];
  presence(): PresenceFigures;
};
export type Exposition = { readonly contentType: string; text(): Promise<string> };

type Reading = readonly [name: string, help: string, read: () => number];

export function exposition(sources: ExpositionSources): Exposition {
  const registry = new Registry();
  for (const [name, help, read] of gauges(sources)) {
    const gauge: Gauge = new Gauge({ name, help, registers: [registry], collect: () => gauge.set(read()) });
  }
  for (const [name, help, read] of totals(sources)) {
    const collect = (): void => {
      counter.reset();
      counter.inc(read());
    };
    const counter: Counter = new Counter({ name, help, registers: [registry], collect });
  }
  const info = new Gauge({
    name: "weir_info",
    help: "Version of this gateway",
    labelNames: ["version"],
    registers: [registry],
  });
  info.set({ version: sources.version }, 1);
  registry.registerMetric(membersGauge(sources));
  registerPools(registry, sources.pools);
  for (const [name, help, label, read] of byName(sources.counters)) {
    const collect = (): void => {
      counter.reset();
      for (const [value, count] of read()) counter.inc({ [label]: value }, count);
    };
    const counter: Counter = new Counter({ name, help, labelNames: [label], registers: [registry], collect });
  }
  for (const [name, help, source] of histograms(sources)) registry.registerMetric(histogram({ name, help }, source));
  return { contentType: registry.contentType, text: () => registry.metrics() };
}

function gauges({ counters, log, process, sessions, presence }: ExpositionSources): readonly Reading[] {
  return [
    ["websocket_connections", "Open connections", () => counters.connections],
    ["weir_sessions", "Sessions in memory, attached or waiting to be resumed", sessions],
    ["weir_sessions_attached", "Sessions attached to a connection", () => counters.sessionsAttached],
    ["weir_subscriptions_behind", "Subscriptions fed by a reader of their own", () => counters.subscriptionsBehind],
    ["weir_requests_open", "Requests of clients that wait for their response", () => counters.requestsOpen],
    ["weir_requests_serving", "Requests that clients have to answer", () => counters.requestsServing],
    ["weir_presence_members", "Members of all topics, on all gateways", () => presence().members],
    ["weir_presence_tracked", "Of these, sessions of this gateway", () => presence().tracked],
    [
      "weir_presence_watches",
      "Connections that watch a topic's presence, each topic counted",
      () => presence().watches,
    ],
    ["weir_log_records", "Records that the log holds", () => log().records],
    ["weir_log_bytes", "Bytes that the log holds", () => log().bytes],
    ["weir_log_first_seq", "First seq that the log still holds", () => log().firstSeq],
    ["weir_log_last_seq", "Newest seq of the log", () => log().lastSeq],
    ["process_resident_memory_bytes", "Resident memory", () => process.residentBytes()],
    ["weir_heap_used_bytes", "Live objects of the program", () => process.heap().usedBytes],
    ["weir_heap_external_bytes", "What they hold outside of the heap", () => process.heap().externalBytes],
  ];
}

function totals({ counters, process, presence }: ExpositionSources): readonly Reading[] {
  return [
    ["weir_connections_opened_total", "Connections opened", () => counters.connectionsOpened],
    ["weir_frames_in_total", "Frames received", () => counters.framesIn],
    ["weir_frames_out_total", "Frames sent, each receiver counted", () => counters.framesOut],
    ["weir_bytes_in_total", "Bytes of frames received", () => counters.bytesIn],
    ["weir_bytes_out_total", "Bytes of frames sent, each receiver counted", () => counters.bytesOut],
    ["weir_records_published_total", "Records stored for clients", () => counters.recordsPublished],
    ["weir_records_duplicate_total", "Records published again and not stored again", () => counters.recordsDuplicate],
    ["weir_records_delivered_total", "Records sent, each receiver counted", () => counters.recordsDelivered],
    ["weir_lifecycle_records_total", "Records told of sessions, repeats included", () => counters.lifecycleRecords],
    ["weir_handshakes_failed_total", "Connections that ended before WELCOME", () => counters.handshakesFailed],
    ["weir_fanout_frames_total", "Frames encoded once for all who were live", () => counters.fanOutFrames],
    ["weir_fanout_records_total", "Records in them", () => counters.fanOutRecords],
    ["weir_fanout_bytes_total", "Bytes of them", () => counters.fanOutBytes],
    ["weir_fanout_frames_sent_total", "Frames that they became on sockets", () => counters.fanOutFramesSent],
    ["weir_fanout_bytes_sent_total", "Bytes that they became on sockets", () => counters.fanOutBytesSent],
    ["weir_presence_repairs_total", "Questions to other gateways for what was missed", () => presence().repairs],
    ["process_cpu_seconds_total", "User and system CPU time", () => process.cpuSeconds()],
  ];
}

function membersGauge({ members }: ExpositionSources): Metric {
  const gauge: Gauge = new Gauge({
    name: "weir_cluster_members",
    help: "Nodes that share the log as this one sees them, this one too, by status",
    labelNames: ["status"],
    registers: [],
    collect: () => {
      const seen = members();
      for (const status of nodeStatuses) gauge.set({ status }, seen.filter((one) => one.status === status).length);
    },
  });
  return gauge;
}

type Named = readonly [name: string, help: string, label: string, read: () => ReadonlyMap<string, number>];

/** Their labels have as many values as there are codes in the protocol. */
function byName({ closed, errors, requests, tickets, decisions }: Counters): readonly Named[] {
  return [
    ["weir_connections_closed_total", "Connections ended, by why; lost: without a goodbye", "reason", () => closed],
    ["weir_errors_total", "ERROR frames sent", "error", () => errors],
    ["weir_requests_total", "Requests of clients that ended, by how", "outcome", () => requests],
    ["weir_tickets_total", "Tickets issued, and presented by what came of it", "outcome", () => tickets],
    ["weir_balancer_decisions_total", "Nodes chosen for clients, by what for", "way", () => decisions],
  ];
}

type Histogram = readonly [name: string, help: string, source: LatencyHistogram];

function histograms({ counters, process }: ExpositionSources): readonly Histogram[] {
  const { loopDelay, gcPauses } = process;
  return [
    [
      "websocket_message_latency",
      "Seconds from the log's acceptance of a record to its hand-over to a socket, each receiver counted",
      counters.messageLatency,
    ],
    ["weir_cluster_detection_seconds", "Silence of members when this node found them unhealthy", counters.detection],
    ["weir_request_seconds", "From the taking of a request to its answer", counters.requestLatency],
    ["weir_append_seconds", "From the call of append to its answer", counters.appendLatency],
    ["weir_event_loop_delay_seconds", "How late the event loop came to a timer, 50 times a second", loopDelay],
    ...(gcPauses === undefined ? [] : [["weir_gc_pause_seconds", "Pauses for garbage collection", gcPauses] as const]),
  ];
}

type Head = { readonly name: string; readonly help: string };

/** prom-client's own histogram would have to be told of every value when it happens. */
function histogram({ name, help }: Head, source: LatencyHistogram): Metric {
  const get = async (): Promise<object> => {
    let below = 0;
    const buckets = source.boundsMs.map((boundMs, index) => {
      below += source.buckets[index] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le: boundMs / 1_000 }, value: below };
    });
    const values = [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: source.count },
      { metricName: `${name}_sum`, labels: {}, value: source.sumMs / 1_000 },
      { metricName: `${name}_count`, labels: {}, value: source.count },
    ];
    return { name, help, type: "histogram", aggregator: "sum", values };
  };
  return { name, get } as unknown as Metric;
}
