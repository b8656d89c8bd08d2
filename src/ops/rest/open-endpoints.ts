/**
 * What the gateway answers to everybody, for the OpenAPI document: runtime/http.ts serves it.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { RestApp } from "./endpoint.ts";
import { anything } from "./schemas.ts";

const log = z.record(z.string(), anything);
const health = z
  .strictObject({
    status: z.enum(["ok", "stopping"]),
    version: z.string(),
    uptimeMs: z.number(),
    websocket: z.strictObject({ connections: z.int(), sessions: z.int() }),
    log,
  })
  .openapi("Health");
const ready = z
  .strictObject({
    ready: z.boolean(),
    reasons: z.array(z.string()).optional(),
    logUnavailableSince: z.string().optional(),
  })
  .openapi("Ready");

export function describeOpenEndpoints(app: RestApp): void {
  const json = (schema: z.ZodType) => ({ "application/json": { schema } });
  const open = { method: "get" as const, tags: ["open"], security: [] };
  app.openAPIRegistry.registerPath({
    ...open,
    path: "/health",
    summary: "What the gateway is doing",
    responses: { 200: { description: "It lives", content: json(health) } },
  });
  app.openAPIRegistry.registerPath({
    ...open,
    path: "/ready",
    summary: "Whether it takes clients",
    responses: {
      200: { description: "It does", content: json(ready) },
      503: { description: "It does not, and why", content: json(ready) },
    },
  });
  app.openAPIRegistry.registerPath({
    ...open,
    path: "/metrics",
    summary: "What it counts, for Prometheus",
    responses: { 200: { description: "Prometheus' text format", content: { "text/plain": { schema: z.string() } } } },
  });
}
