/**
 * Measures a gateway once a second and keeps 24 hours of it, in memory: a cache, gone with the process.
 *
 * Owns: a metric that the runtime does not tell is absent; memory is bounded by `historyBytesMax`.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Inspector, NodeView, Totals } from "../../runtime/inspection.ts";
import type { Clock, ProcessProbe, Timer } from "../../runtime/ports.ts";
import { type HistogramReading, HistogramWindow } from "./histogram-window.ts";
import type { MetricDescription, MetricSeries, MetricsHistory, MetricsQuery } from "./metrics-history.ts";
import { TieredSeries, tiers } from "./tiered-series.ts";

/** All series together. */
export const historyBytesMax = 4_194_304;
const sampleMs = 1_000;
const dayMs = 86_400_000;

export type HistoryParts = { readonly probe: ProcessProbe; readonly clock: Clock };

/** One look at everything that is measured. */
type Look = { readonly node: NodeView; readonly totals: Totals; readonly at: EpochMs };

type Measure = MetricDescription & {
  /** Undefined: nothing to measure in this second. */
  readonly read: (now: Look, before: Look) => number | undefined;
};

export class GatewayHistory implements MetricsHistory {
  readonly #parts: HistoryParts;
  readonly #measures: readonly Measure[];
  readonly #series = new Map<string, TieredSeries>();
  #before: Look | undefined;
  #timer: Timer | undefined;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
    this.#measures = [...gauges(parts.probe), ...rates, ...quantiles(parts.probe)];
    for (const { name } of this.#measures) this.#series.set(name, new TieredSeries());
  }

  /** Looks at every full second from now on. */
  start(inspector: Inspector): void {
    this.#look(inspector);
    this.#arm(inspector);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  metrics(): readonly MetricDescription[] {
    return this.#measures.map(({ name, unit, text }) => ({ name, unit, text }));
  }

  query({ metric, from, to, stepMs }: MetricsQuery): MetricSeries | undefined {
    const measure = this.#measures.find(({ name }) => name === metric);
    const series = this.#series.get(metric);
    if (measure === undefined || series === undefined) return undefined;
    const now = this.#parts.clock.now();
    const until = Math.min(to ?? now + 1, now + 1) as EpochMs;
    const since = Math.max(from ?? now - (reachOf(stepMs) ?? dayMs), now - dayMs) as EpochMs;
    const read = series.read({ from: since, to: until, stepMs: Math.max(stepMs ?? sampleMs, sampleMs), now });
    return { metric, unit: measure.unit, ...read };
  }

  #arm(inspector: Inspector): void {
    const { clock } = this.#parts;
    this.#timer = clock.after(sampleMs - (clock.now() % sampleMs), () => {
      this.#look(inspector);
      this.#arm(inspector);
    });
  }

  #look(inspector: Inspector): void {
    const { clock } = this.#parts;
    const now: Look = { node: inspector.node(), totals: inspector.totals(), at: clock.now() };
    const before = this.#before;
    this.#before = now;
    if (before === undefined || now.at <= before.at) return;
    for (const { name, read } of this.#measures) {
      const value = read(now, before);
      if (value !== undefined) this.#series.get(name)?.add(now.at, value);
    }
  }
}

/** How far back the steps of that size go; where none is asked for, a day. */
function reachOf(stepMs: number | undefined): number | undefined {
  const tier = stepMs === undefined ? undefined : tiers.findLast((one) => one.stepMs <= stepMs);
  return tier === undefined ? undefined : tier.stepMs * (tier.points - 1);
}

function gauges(probe: ProcessProbe): readonly Measure[] {
  const gauge = (name: string, unit: string, text: string, of: (look: Look) => number): Measure => ({
    name,
    unit,
    text,
    read: of,
  });
  return [
    gauge("connections", "connections", "Open connections", ({ node }) => node.connections),
    gauge("sessions", "sessions", "Sessions in memory", ({ node }) => node.sessions),
    gauge("sessions.attached", "sessions", "Sessions attached to a connection", ({ node }) => node.sessionsAttached),
    gauge(
      "subscriptions.behind",
      "subscriptions",
      "Subscriptions fed by a reader of their own",
      ({ node }) => node.subscriptionsBehind,
    ),
    gauge("inflow.bytes", "bytes", "Publishes that wait for the log", ({ node }) => node.inflow.bytes),
    gauge("log.records", "records", "Records that the log holds", ({ node }) => node.log.records),
    gauge("log.bytes", "bytes", "Bytes that the log holds", ({ node }) => node.log.bytes),
    gauge("memory.resident", "bytes", "Resident memory", ({ node }) => node.residentBytes),
    gauge("memory.heap", "bytes", "Live objects of the program", () => probe.heap().usedBytes),
  ];
}

function rate(name: string, unit: string, text: string, of: (look: Look) => number): Measure {
  return {
    name,
    unit: `${unit}/s`,
    text,
    read: (now, before) => ((of(now) - of(before)) * 1_000) / (now.at - before.at),
  };
}

const rates: readonly Measure[] = [
  rate("connections.opened", "connections", "Connections opened", ({ totals }) => totals.connectionsOpened),
  rate("frames.in", "frames", "Frames received", ({ totals }) => totals.framesIn),
  rate("frames.out", "frames", "Frames sent, each receiver counted", ({ totals }) => totals.framesOut),
  rate("bytes.in", "bytes", "Bytes of frames received", ({ totals }) => totals.bytesIn),
  rate("bytes.out", "bytes", "Bytes of frames sent, each receiver counted", ({ totals }) => totals.bytesOut),
  rate("records.published", "records", "Records stored for clients", ({ totals }) => totals.recordsPublished),
  rate("records.duplicate", "records", "Published again, not stored again", ({ totals }) => totals.recordsDuplicate),
  rate("records.delivered", "records", "Records sent, each receiver counted", ({ totals }) => totals.recordsDelivered),
  { ...rate("cpu", "", "CPU time, user and system; 1 is one core", ({ node }) => node.cpuSeconds), unit: "cores" },
];

/** Of what happened in one second; a coarser step holds the mean and the worst of its seconds. */
function quantiles(probe: ProcessProbe): readonly Measure[] {
  const of = (name: string, text: string, quantilesOf: readonly number[], read: (look: Look) => HistogramReading) => {
    const window = new HistogramWindow();
    let seen: Look | undefined;
    let values: readonly (number | undefined)[] = [];
    const valuesOf = (now: Look): readonly (number | undefined)[] => {
      if (seen !== now) values = window.next(read(now), quantilesOf);
      seen = now;
      return values;
    };
    return quantilesOf.map((quantile, index): Measure => {
      const percent = `p${quantile * 100}`;
      const secondsOf = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1_000);
      return {
        name: `${name}.${percent}`,
        unit: "s",
        text: `${text}, ${percent}`,
        read: (now) => secondsOf(valuesOf(now)[index]),
      };
    });
  };
  const { gcPauses } = probe;
  return [
    ...of(
      "latency.message",
      "From the log's acceptance of a record to its hand-over",
      [0.5, 0.95, 0.99],
      ({ totals }) => totals.messages,
    ),
    ...of("latency.append", "From the call of append to its answer", [0.5, 0.95, 0.99], ({ totals }) => totals.appends),
    ...of("eventLoop.delay", "How late the event loop came to a timer", [0.5, 0.99], () => probe.loopDelay),
    ...(gcPauses === undefined ? [] : of("gc.pause", "Pauses for garbage collection", [0.5, 0.99], () => gcPauses)),
  ];
}
