/**
 * OpenTelemetry: a span where a traced record is stored, one where it is handed to sockets, sent to a collector by
 * OTLP/HTTP. The libraries are loaded when this is opened, and only then.
 *
 * Owns: what waits to be sent is bounded; a collector that is away costs spans and a log line a minute, nothing else.
 * @module
 */
import type { Attributes, Context, Tracer as OtelTracer, SpanContext } from "@opentelemetry/api";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { Clock, Logger, PublishSpan, Random, Tracer } from "../../runtime/ports.ts";
import { traceHeader } from "../../runtime/trace-context.ts";
import type { TracingConfig } from "../config/profile.ts";

export type Tracing = {
  readonly tracer: Tracer;
  /** Share of the publishes without a trace that begin one, from now on. */
  setRatio(ratio: number): void;
  /** Sends what waits. */
  close(): Promise<void>;
};

export type TracingPorts = { readonly clock: Clock; readonly random: Random; readonly logger: Logger };

/** Spans that wait; more are dropped. */
const queue = {
  maxQueueSize: 8_192,
  maxExportBatchSize: 512,
  scheduledDelayMillis: 1_000,
  exportTimeoutMillis: 10_000,
};
const complainEveryMs = 60_000;

export async function openTracing(config: TracingConfig, ports: TracingPorts, about: Attributes): Promise<Tracing> {
  // Not bundled, and not loaded before: who does not trace does not pay.
  const api = await import("@opentelemetry/api");
  const sdk = await import("@opentelemetry/sdk-trace-base");
  const { resourceFromAttributes } = await import("@opentelemetry/resources");
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
  const exporter = complaining(new OTLPTraceExporter({ url: config.endpoint, headers: { ...config.headers } }), ports);
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": config.service, ...about }),
    // Which publishes begin a trace is decided before a span is made; a trace that came with the record decides itself.
    sampler: new sdk.ParentBasedSampler({ root: new sdk.AlwaysOnSampler() }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, queue)],
  });
  const tracer = new RecordTracer({
    api,
    tracer: provider.getTracer("weir"),
    random: ports.random,
    ratio: config.ratio,
  });
  return { tracer, setRatio: (ratio) => tracer.setRatio(ratio), close: () => provider.shutdown() };
}

type Parts = {
  readonly api: typeof import("@opentelemetry/api");
  readonly tracer: OtelTracer;
  readonly random: Random;
  readonly ratio: number;
};

class RecordTracer implements Tracer {
  readonly #parts: Parts;
  #ratio: number;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#ratio = parts.ratio;
  }

  setRatio(ratio: number): void {
    this.#ratio = ratio;
  }

  publish({ topic, headers }: Parameters<Tracer["publish"]>[0], about: Parameters<Tracer["publish"]>[1]) {
    const parent = traceHeader.parse(headers?.[traceHeader.name]);
    if (parent === undefined) {
      if (this.#parts.random.next() >= this.#ratio || !traceHeader.fits(headers)) return undefined;
    } else if (!parent.sampled) return undefined;
    const { api, tracer } = this.#parts;
    const attributes = { ...destination(topic), "weir.session": about.session, ...present(about.connection) };
    const context = parent === undefined ? api.ROOT_CONTEXT : this.#contextOf(parent);
    return new StoredSpan(api, tracer.startSpan("publish", { kind: api.SpanKind.SERVER, attributes }, context));
  }

  delivered(records: Parameters<Tracer["delivered"]>[0], receivers: number): void {
    const { api, tracer } = this.#parts;
    for (const { topic, headers, seq, id, time } of records) {
      if (headers === undefined) continue;
      const parent = traceHeader.parse(headers[traceHeader.name]);
      if (parent?.sampled !== true) continue;
      const attributes = {
        ...destination(topic),
        "messaging.message.id": id,
        "weir.seq": seq,
        "weir.receivers": receivers,
      };
      const options = { kind: api.SpanKind.PRODUCER, attributes, startTime: new Date(time) };
      tracer.startSpan("deliver", options, this.#contextOf(parent)).end();
    }
  }

  #contextOf({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }): Context {
    const { trace, TraceFlags, ROOT_CONTEXT } = this.#parts.api;
    const remote: SpanContext = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return trace.setSpanContext(ROOT_CONTEXT, remote);
  }
}

class StoredSpan implements PublishSpan {
  readonly #api: Parts["api"];
  readonly #span: ReturnType<OtelTracer["startSpan"]>;

  constructor(api: Parts["api"], span: ReturnType<OtelTracer["startSpan"]>) {
    this.#api = api;
    this.#span = span;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }
  get traceparent(): string {
    return traceHeader.format(this.#span.spanContext());
  }

  end(outcome: { readonly seq: number } | { readonly failure: string }): void {
    if ("seq" in outcome) this.#span.setAttribute("weir.seq", outcome.seq);
    else this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR, message: outcome.failure });
    this.#span.end();
  }
}

function destination(topic: string): Attributes {
  return { "messaging.system": "weir", "messaging.destination.name": topic };
}

function present(connection: string | undefined): Attributes {
  return connection === undefined ? {} : { "weir.connection": connection };
}

/** Says in the log that spans do not arrive. */
function complaining(exporter: SpanExporter, { clock, logger }: TracingPorts): SpanExporter {
  let quietUntil = 0;
  return {
    export(spans: ReadableSpan[], done) {
      exporter.export(spans, (result) => {
        if (result.code !== 0 && clock.now() >= quietUntil) {
          quietUntil = clock.now() + complainEveryMs;
          logger.log("warn", "spans not exported", { spans: spans.length, error: String(result.error) });
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
