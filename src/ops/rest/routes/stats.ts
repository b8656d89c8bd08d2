/**
 * Numbers for monitoring and for people: now, since the start, and over the last day.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { endpoint } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound, ProblemError } from "../problem.ts";
import type { Samples } from "../samples.ts";
import { nodeSchema, time, totalsSchema } from "../schemas.ts";
import { alertSchema } from "./changes.ts";
import { percentilesSchema, ratesOf, ratesSchema } from "./network.ts";

const number = z.number();
const int = z.int();

export type StatsParts = RestParts & { readonly samples: Samples };

export function statsRoutes(parts: StatsParts): void {
  const { gateway, samples, clock, alerts, live } = parts;
  const inspector = gateway.inspect();
  const websocket = z.strictObject({
    connections: int,
    sessions: int,
    sessionsAttached: int,
    subscriptionsBehind: int,
  });
  endpoint(
    parts,
    {
      method: "get",
      path: "/stats",
      tag: "stats",
      summary: "Totals, rates and latency of this node",
      role: "viewer",
      answer: z
        .strictObject({
          at: time,
          uptimeMs: number,
          websocket,
          totals: totalsSchema,
          rates: ratesSchema,
          appendLatency: percentilesSchema,
          messageLatency: percentilesSchema,
        })
        .openapi("Stats"),
    },
    () => {
      const { startedAt, connections, sessions, sessionsAttached, subscriptionsBehind } = inspector.node();
      return {
        at: clock.now(),
        uptimeMs: clock.now() - startedAt,
        websocket: { connections, sessions, sessionsAttached, subscriptionsBehind },
        totals: inspector.totals(),
        rates: ratesOf(samples),
        appendLatency: samples.latency("appends"),
        messageLatency: samples.latency("messages"),
      };
    },
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/admin/stats",
      tag: "admin",
      summary: "The same with the node's insides: memory, queues, streams of events, alerts",
      role: "operator",
      answer: z
        .strictObject({
          at: time,
          node: nodeSchema,
          totals: totalsSchema,
          rates: ratesSchema,
          appendLatency: percentilesSchema,
          messageLatency: percentilesSchema,
          eventStreams: int,
          alerts: z.array(alertSchema),
        })
        .openapi("AdminStats"),
    },
    () => ({
      at: clock.now(),
      node: inspector.node(),
      totals: inspector.totals(),
      rates: ratesOf(samples),
      appendLatency: samples.latency("appends"),
      messageLatency: samples.latency("messages"),
      eventStreams: live.readers,
      alerts: alerts.active(),
    }),
  );
  historyRoutes(parts);
}

function historyRoutes(parts: StatsParts): void {
  const kept = () => {
    if (parts.history !== undefined) return parts.history;
    throw new ProblemError(501, "notAvailable", "This gateway keeps no history of its metrics");
  };
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/metrics",
      tag: "stats",
      summary: "Metrics whose last 24 hours are kept",
      role: "viewer",
      answer: z
        .strictObject({ items: z.array(z.strictObject({ name: z.string(), unit: z.string(), text: z.string() })) })
        .openapi("Metrics"),
      problems: [501],
    },
    () => ({ items: kept().metrics() }),
  );
  const instant = z.coerce.number().int().min(0).optional().openapi({ type: "integer" });
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/metrics/{name}",
      tag: "stats",
      summary: "One metric over time",
      role: "viewer",
      params: z.strictObject({ name: z.string().min(1).max(128) }),
      query: z.strictObject({
        from: instant,
        to: instant,
        stepMs: z.coerce.number().int().min(1_000).max(86_400_000).optional().openapi({ type: "integer" }),
      }),
      answer: z
        .strictObject({
          metric: z.string(),
          unit: z.string(),
          stepMs: int,
          points: z.array(z.strictObject({ time, mean: number, min: number, max: number })),
        })
        .openapi("MetricSeries"),
      problems: [404, 501],
    },
    ({ params, query: { from, to, stepMs } }) => {
      const series = kept().query({
        metric: params.name,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(stepMs === undefined ? {} : { stepMs }),
      });
      if (series === undefined) throw notFound(`No metric ${params.name}; /api/v1/metrics lists them`);
      return series;
    },
  );
}
