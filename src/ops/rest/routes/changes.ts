/**
 * What happened to the gateway itself: alerts, and the audit of every change.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { alertKind, alertRules } from "../alerts.ts";
import { endpoint, pageOf } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { anything, seq, time } from "../schemas.ts";

const after = z.coerce
  .number()
  .int()
  .min(0)
  .default(0)
  .openapi({ description: "Entries after this one", type: "integer" });
const max = z.coerce.number().int().min(1).max(1_000).default(100).openapi({ type: "integer" });
const decoder = new TextDecoder();

const rule = {
  name: z.string(),
  priority: z.enum(["critical", "high", "normal"]),
  title: z.string(),
  unit: z.string().openapi({ description: "What the number is that is compared" }),
  threshold: z.number(),
  advice: z.string(),
  setting: z.string().optional(),
};
export const alertSchema = z
  .strictObject({ ...rule, node: z.string(), since: time, value: z.number() })
  .openapi("Alert");
const alertEvent = z
  .strictObject({
    seq,
    type: z.enum(["AlertRaised", "AlertCleared"]),
    at: time,
    rule: z.string(),
    node: z.string(),
    value: z.number(),
    threshold: z.number(),
  })
  .openapi("AlertEvent");

export function changeRoutes(parts: RestParts): void {
  const { alerts, audit, log } = parts;
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/alerts",
      tag: "alerts",
      summary: "Alerts that hold on this node now, and the rules",
      role: "viewer",
      answer: z.strictObject({ items: z.array(alertSchema), rules: z.array(z.strictObject(rule)) }).openapi("Alerts"),
    },
    () => ({ items: alerts.active(), rules: alertRules }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/alerts/{rule}/events",
      tag: "alerts",
      summary: "When an alert began and ended, on every node of the log",
      role: "viewer",
      params: z.strictObject({ rule: z.enum(alertRules.map(({ name }) => name) as [string, ...string[]]) }),
      query: z.strictObject({ after, max }),
      answer: pageOf(alertEvent, "AlertEventPage"),
    },
    async ({ params, query }) => {
      const entries = await log.journals.read({ kind: alertKind, id: params.rule }, query.after, query.max);
      const items = entries.map(({ seq: number, data }) => ({
        seq: number,
        ...(JSON.parse(decoder.decode(data)) as object),
      }));
      return { items, ...nextOf(entries, query.max) };
    },
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/audit",
      tag: "audit",
      summary: "Every change: who, what, before, after; oldest first",
      role: "operator",
      query: z.strictObject({ after, max }),
      answer: pageOf(
        z
          .strictObject({
            seq,
            at: time,
            who: z.string(),
            node: z.string(),
            action: z.string(),
            target: z.string(),
            before: anything.optional(),
            after: anything.optional(),
            failed: z.string().optional().openapi({ description: "It was written down and then not done" }),
          })
          .openapi("AuditEntry"),
        "AuditPage",
      ),
    },
    async ({ query }) => {
      const items = await audit.read(query.after, query.max);
      return { items, ...nextOf(items, query.max) };
    },
  );
}

/** The next page is asked for with `after` of this. */
function nextOf(items: readonly { readonly seq: number }[], asked: number): { readonly next?: string } {
  const last = items[items.length - 1];
  return last === undefined || items.length < asked ? {} : { next: String(last.seq) };
}
