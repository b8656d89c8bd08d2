/**
 * What looking back answers, as zod schemas.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { anything, connectionSchema, sessionSchema, time } from "./schemas.ts";

const count = z.int().min(0);
const object = z.record(z.string(), anything);
const eventSeq = z.int().min(0).openapi({ description: "Number of an event in its journal" });

export const actorSchema = z
  .strictObject({
    kind: z.string(),
    id: z.string(),
    state: z.string(),
    since: time,
    lastEventAt: time,
    events: count,
  })
  .openapi("Actor");

export const timelineSchema = z
  .strictObject({ seq: eventSeq, time, type: z.string(), summary: z.string(), event: object })
  .openapi("TimelineEntry");

export const inspectionSchema = z
  .strictObject({
    key: z.strictObject({ kind: z.string(), id: z.string() }),
    seq: eventSeq,
    time,
    event: timelineSchema.optional(),
    statechart: z.strictObject({ name: z.string(), state: z.string() }),
    state: object,
    live: z.union([sessionSchema, connectionSchema]).optional(),
  })
  .openapi("Inspection");

export const differenceSchema = z
  .strictObject({ path: z.string(), from: anything.optional(), to: anything.optional() })
  .openapi("Difference");
