/**
 * One trace over every hop: client → gateway → log → service and back, told to a real collector; and what tracing costs
 * where it is off.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats, headers as natsHeaders } from "@nats-io/transport-node";
import { connect } from "../../../src/client/mod.ts";
import { until } from "../../gateway/stage.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { serveWeir } from "../../support/weir-command.ts";

const slowMs = 90_000;
/** Spans are sent once a second. */
const waitMs = 30_000;
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const clientSpan = "00f067aa0ba902b7";
const sampled = `00-${traceId}-${clientSpan}-01`;

type Span = {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly service: string;
};

/** What an OTLP collector is sent, as JSON. */
class Collector {
  readonly spans: Span[] = [];
  readonly keys: (string | null)[] = [];
  readonly #server = Bun.serve({
    port: 0,
    fetch: async (request) => {
      this.keys.push(request.headers.get("x-key"));
      this.#take(await request.json());
      return Response.json({});
    },
  });

  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.port}/v1/traces`;
  }

  #take(body: unknown): void {
    type Value = { stringValue?: string; intValue?: number };
    type Attributes = { key: string; value: Value }[];
    const valuesOf = (attributes: Attributes) =>
      Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
    type Sent = Omit<Span, "attributes" | "service"> & { attributes: Attributes };
    type Body = { resourceSpans: { resource: { attributes: Attributes }; scopeSpans: { spans: Sent[] }[] }[] };
    for (const { resource, scopeSpans } of (body as Body).resourceSpans) {
      const service = String(valuesOf(resource.attributes)["service.name"]);
      for (const span of scopeSpans.flatMap(({ spans }) => spans))
        this.spans.push({ ...span, attributes: valuesOf(span.attributes), service });
    }
  }

  named(name: string): readonly Span[] {
    return this.spans.filter((span) => span.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
  }
}

const tracing = (collector: Collector, ...more: string[]) => [
  `--monitoring.tracing.endpoint=${collector.endpoint}`,
  "--monitoring.tracing.headers=x-key=s3cret",
  ...more,
];

describe("a gateway with tracing on", () => {
  test(
    "stores a sampled publish in a span under the client's, and delivers it in one under its own",
    async () => {
      await using collector = new Collector();
      await using gateway = await serveWeir(["--log", "memory", ...tracing(collector, "--monitoring.tracing.ratio=0")]);
      const client = connect(gateway.url);
      const received: (string | undefined)[] = [];
      await client.subscribe("orders.>", {}, (record) => void received.push(record.headers["traceparent"])).ready;
      const { seq } = await client.publish("orders.eu", "traced", { headers: { traceparent: sampled, other: "kept" } });
      await client.publish("orders.eu", "not sampled", { headers: { traceparent: `00-${traceId}-${clientSpan}-00` } });
      await client.publish("orders.eu", "of no trace");
      await client.transaction(async (tx) => {
        tx.publish("orders.tx", "traced too", { headers: { traceparent: sampled } });
      });
      await until(() => received.length === 4, "all are delivered", waitMs);
      await until(() => collector.spans.length === 4, "all spans have come", waitMs);

      const [publish, inTransaction] = collector.named("publish");
      expect(publish).toMatchObject({
        traceId,
        parentSpanId: clientSpan,
        service: "weir",
        attributes: { "messaging.destination.name": "orders.eu", "weir.seq": seq },
      });
      expect(inTransaction?.parentSpanId).toBe(clientSpan);
      expect(collector.named("deliver").map(({ traceId: id, parentSpanId }) => [id, parentSpanId])).toEqual([
        [traceId, publish?.spanId],
        [traceId, inTransaction?.spanId],
      ]);
      expect(collector.named("deliver")[0]?.attributes).toMatchObject({ "weir.seq": seq, "weir.receivers": 1 });
      expect(received).toEqual([
        `00-${traceId}-${publish?.spanId}-01`,
        `00-${traceId}-${clientSpan}-00`,
        undefined,
        `00-${traceId}-${inTransaction?.spanId}-01`,
      ]);
      expect(new Set(collector.keys)).toEqual(new Set(["s3cret"]));
      await client.close();
    },
    slowMs,
  );

  test(
    "begins a trace for the share of publishes that it is told",
    async () => {
      await using collector = new Collector();
      await using gateway = await serveWeir(["--log", "memory", ...tracing(collector, "--monitoring.tracing.ratio=1")]);
      const client = connect(gateway.url);
      await client.publish("orders.eu", "of no trace");
      const [record] = (await client.history("orders.>")).records;
      await until(() => collector.spans.length === 1, "its span has come", waitMs);
      const [{ traceId: id, spanId, parentSpanId } = {} as Span] = collector.spans;
      expect(record?.headers["traceparent"]).toBe(`00-${id}-${spanId}-01`);
      expect(parentSpanId).toBeUndefined();
      await client.close();
    },
    slowMs,
  );

  test(
    "goes on without its collector, and says so",
    async () => {
      const collector = new Collector();
      const options = tracing(collector, "--monitoring.tracing.ratio=1");
      await collector[Symbol.asyncDispose]();
      await using gateway = await serveWeir(["--log", "memory", ...options, "--log-level", "warn"]);
      const client = connect(gateway.url);
      expect((await client.publish("orders.eu", "traced")).seq).toBe(1);
      expect(await gateway.line("spans not exported")).toMatchObject({ level: "warn", spans: 1 });
      await client.close();
    },
    slowMs,
  );
});

const [line = "newest"] = natsLines;
await describeOnNats(line as never, "a trace over NATS", () => {
  const collector = new Collector();
  let server: Awaited<ReturnType<typeof startNatsServer>>;
  let gateway: Awaited<ReturnType<typeof serveWeir>>;
  beforeAll(async () => {
    server = await startNatsServer({ line: line as never });
    gateway = await serveWeir(["--log", server.url, ...tracing(collector)]);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await collector[Symbol.asyncDispose]();
  });

  test(
    "goes from a client through the log to a service, and back with the service's answer",
    async () => {
      const client = connect(gateway.url);
      const answers: (string | undefined)[] = [];
      await client.subscribe("answers.>", {}, (record) => void answers.push(record.headers["traceparent"])).ready;
      await client.publish("orders.eu", "traced", { headers: { traceparent: sampled } });

      const nats = await connectNats({ servers: server.url.replace("nats://", "") });
      const manager = await jetstreamManager(nats);
      const message = await manager.streams.getMessage("WEIR", { last_by_subj: "weir.t.orders.eu" });
      const atService = message?.header.get("traceparent") ?? "";
      // The service goes on in the trace, with a span of its own.
      const answer = natsHeaders();
      answer.set("traceparent", `00-${traceId}-b7ad6b7169203331-01`);
      await jetstream(nats).publish("weir.t.answers.eu", "done", { headers: answer });
      await until(() => answers.length === 1 && collector.named("deliver").length === 1, "the answer has come", waitMs);

      const [publish] = collector.named("publish");
      expect(publish?.parentSpanId).toBe(clientSpan);
      expect(atService).toBe(`00-${traceId}-${publish?.spanId}-01`);
      expect(collector.named("deliver")[0]).toMatchObject({ traceId, parentSpanId: "b7ad6b7169203331" });
      expect(answers).toEqual([`00-${traceId}-b7ad6b7169203331-01`]);
      await nats.close();
      await client.close();
    },
    slowMs,
  );
});

test(
  "a gateway with tracing off loads nothing of OpenTelemetry but what prom-client asks for",
  async () => {
    const loadedBy = async (...options: string[]): Promise<readonly string[]> => {
      const main = join(import.meta.dir, "loaded-packages-main.ts");
      const child = Bun.spawn([process.execPath, main, ...options], {
        env: { PATH: process.env.PATH },
        stderr: "inherit",
      });
      return JSON.parse(await new Response(child.stdout).text()) as string[];
    };
    expect(await loadedBy()).toEqual(["api"]);
    // The same look sees them where tracing is on.
    expect(await loadedBy("http://127.0.0.1:9/v1/traces")).toEqual(
      expect.arrayContaining(["api", "sdk-trace-base", "exporter-trace-otlp-http"]),
    );
  },
  slowMs,
);
