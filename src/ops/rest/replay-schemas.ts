/**
 * What looking back answers, as zod schemas.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { laneNames } from "../../protocol/lane.ts";
import { anything, connectionSchema, seq, sessionSchema, time } from "./schemas.ts";

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

export const findingSchema = z
  .strictObject({
    time,
    seq: eventSeq.optional(),
    cause: z.string(),
    sentence: z.string(),
    advice: z.string(),
    setting: z.string().optional(),
  })
  .openapi("Finding");

export const ledgerSchema = z
  .strictObject({
    topic: z.string(),
    seq,
    record: z.strictObject({ time, id: z.string(), lane: z.enum(laneNames), bytes: count }).optional(),
    absent: z.enum(["beyondEnd", "otherTopic", "trimmed"]).optional().openapi({
      description:
        "Why there is no record: the log has not come that far, has none with this topic there, or retention took it",
    }),
    rows: z.array(
      z.strictObject({
        session: z.string(),
        subject: z.string(),
        filter: z.string(),
        fate: z.enum(["processed", "waits", "sent", "owed", "deadLettered", "lost", "skipped"]),
        since: time.optional(),
        tries: count.optional(),
        reasons: z.array(z.string()),
        cause: z.string().optional(),
      }),
    ),
    more: z.boolean(),
  })
  .openapi("Ledger");

export const lagSchema = z
  .strictObject({
    session: z.string(),
    subject: z.string(),
    state: z.string(),
    records: count,
    more: z.boolean(),
    oldestAt: time.optional(),
    filters: z.array(
      z.strictObject({
        filter: z.string(),
        position: seq,
        records: count,
        more: z.boolean(),
        oldestAt: time.optional(),
        waiting: count,
      }),
    ),
  })
  .openapi("Lag");
