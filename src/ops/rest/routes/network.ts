/**
 * The mission's endpoints: optimization, diagnostics, and the numbers of the dashboard in one answer.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { type DiagnosticsParts, diagnosticLevels, missingChecks, runDiagnostics } from "../diagnostics.ts";
import { endpoint } from "../endpoint.ts";
import { features, notYet, savings } from "../optimization.ts";
import type { RestParts } from "../parts.ts";
import type { Samples } from "../samples.ts";
import { nodeSchema, time, totalsSchema } from "../schemas.ts";
import { alertSchema } from "./changes.ts";
import { changedSchema, changeSettings, patchSchema } from "./settings.ts";

const number = z.number();
const numbers = (...names: readonly string[]) =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, number])));

const feature = z
  .strictObject({ name: z.string(), enabled: z.boolean(), text: z.string(), settings: z.array(z.string()) })
  .openapi("Feature");
const savingsSchema = z
  .strictObject({
    batching: numbers("frames", "records", "recordsPerFrame"),
    sharedEncoding: numbers("framesEncoded", "framesSent", "sendsPerEncoding", "bytesNotEncoded"),
    ring: numbers("pagesFromRing", "pagesFromLog", "hitRatio", "records", "bytes"),
    liveAndBehind: numbers("subscriptionsBehind", "filters"),
    deduplication: numbers("recordsStored", "recordsNotStoredAgain"),
  })
  .openapi("Savings");

export const ratesSchema = numbers(
  "framesIn",
  "framesOut",
  "bytesIn",
  "bytesOut",
  "recordsPublished",
  "recordsDelivered",
).openapi("Rates", { description: "Per second, mean of the last ten" });
export const percentilesSchema = numbers("p50Ms", "p95Ms", "p99Ms", "count").openapi("Percentiles", {
  description: "In the last minute; upper bounds of the histogram's buckets",
});

export function ratesOf(samples: Samples): z.infer<typeof ratesSchema> {
  const names = ["framesIn", "framesOut", "bytesIn", "bytesOut", "recordsPublished", "recordsDelivered"] as const;
  return Object.fromEntries(names.map((name) => [name, samples.perSecond(name)]));
}

export type NetworkParts = RestParts & { readonly samples: Samples; readonly diagnostics: DiagnosticsParts };

export function networkRoutes(parts: NetworkParts): void {
  const { gateway, samples, alerts } = parts;
  const inspector = gateway.inspect();
  const base = "/api/v1/network";
  endpoint(
    parts,
    {
      method: "get",
      path: `${base}/optimization/status`,
      tag: "network",
      summary: "Which optimizations there are, and which not yet",
      role: "viewer",
      answer: z.strictObject({ features: z.array(feature), notYet: z.array(z.string()) }).openapi("OptimizationStatus"),
    },
    () => ({ features, notYet }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: `${base}/optimization/statistics`,
      tag: "network",
      summary: "What each optimization saved since the start of the node",
      role: "viewer",
      answer: savingsSchema,
    },
    () => savings(inspector),
  );
  endpoint(
    parts,
    {
      method: "post",
      path: `${base}/optimization/configure`,
      tag: "network",
      summary: "Change settings of the running gateway: all of them or none",
      description: "The same as PATCH /admin/config. `status` names the settings of each optimization.",
      role: "admin",
      body: patchSchema,
      answer: changedSchema,
      problems: [422, 501],
    },
    ({ body, caller, request }) => changeSettings(parts, body.settings, { caller, headers: request.headers }),
  );
  diagnosticRoutes(parts);
  endpoint(
    parts,
    {
      method: "get",
      path: `${base}/dashboard/summary`,
      tag: "network",
      summary: "The numbers of an overview page in one answer",
      role: "viewer",
      answer: z
        .strictObject({
          at: time,
          node: nodeSchema,
          rates: ratesSchema,
          appendLatency: percentilesSchema,
          messageLatency: percentilesSchema,
          totals: totalsSchema,
          savings: savingsSchema,
          alerts: z.array(alertSchema),
          metrics: z
            .record(z.string(), number)
            .openapi({ description: "The newest second of each metric that /api/v1/metrics names, where measured" }),
        })
        .openapi("DashboardSummary"),
    },
    () => ({
      at: parts.clock.now(),
      node: inspector.node(),
      rates: ratesOf(samples),
      appendLatency: samples.latency("appends"),
      messageLatency: samples.latency("messages"),
      totals: inspector.totals(),
      savings: savings(inspector),
      alerts: alerts.active(),
      metrics: newestOf(parts),
    }),
  );
}

const newestMs = 3_000;

function newestOf({ history, clock }: RestParts): Readonly<Record<string, number>> {
  const from = clock.now() - newestMs;
  const newest = (history?.metrics() ?? []).flatMap(({ name: metric }) => {
    const point = history?.query({ metric, from, stepMs: 1_000 })?.points.at(-1);
    return point === undefined ? [] : [[metric, point.mean] as const];
  });
  return Object.fromEntries(newest);
}

function diagnosticRoutes(parts: NetworkParts): void {
  const level = z.enum(diagnosticLevels);
  const missing = z.strictObject({ name: z.string(), level });
  endpoint(
    parts,
    {
      method: "post",
      path: "/api/v1/network/diagnostics/run",
      tag: "network",
      summary: "Try out log, disk, event loop and a socket to itself",
      description:
        "Of the four levels this release runs the checks that it has, whatever level is asked for, and names those of the level that it lacks.",
      role: "operator",
      query: z.strictObject({ level: level.default("basic") }),
      answer: z
        .strictObject({
          at: time,
          level,
          checks: z.array(
            z.strictObject({
              name: z.string(),
              status: z.enum(["ok", "slow", "failed", "skipped"]),
              text: z.string(),
              measured: z.record(z.string(), number).optional(),
            }),
          ),
          missing: z.array(missing).openapi({ description: "Checks of this level that do not exist yet" }),
        })
        .openapi("Diagnosis"),
    },
    async ({ query }) => {
      const upTo = diagnosticLevels.indexOf(query.level);
      const lacking = missingChecks.filter((check) => diagnosticLevels.indexOf(check.level) <= upTo);
      return {
        at: parts.clock.now(),
        level: query.level,
        checks: await runDiagnostics(parts.diagnostics),
        missing: lacking,
      };
    },
  );
}
