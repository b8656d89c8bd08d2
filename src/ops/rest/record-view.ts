/**
 * A record of the log as REST shows it: its payload as JSON, as text, or as base64, and which of these it is.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { LogEpoch } from "../../protocol/ids.ts";
import { laneNames } from "../../protocol/lane.ts";
import type { LogRecord } from "../../runtime/log/event-log.ts";
import { positionText } from "../../runtime/plain/message.ts";
import { anything, seq, time } from "./schemas.ts";

export const recordSchema = z
  .strictObject({
    seq,
    time,
    topic: z.string(),
    id: z.string(),
    lane: z.enum(laneNames),
    headers: z.record(z.string(), z.string()).optional(),
    encoding: z.enum(["json", "text", "base64"]),
    payload: anything,
    bytes: z.int().min(0),
    position: z.string().openapi({ description: "For `from` and `?from=` of plain JSON sockets" }),
  })
  .openapi("Record");

const utf8 = new TextDecoder("utf-8", { fatal: true });

export function recordView(record: LogRecord, epoch: LogEpoch): z.infer<typeof recordSchema> {
  const { seq: place, time: at, topic, id, lane, headers, payload } = record;
  return {
    seq: place,
    time: at,
    topic,
    id,
    lane: laneNames[lane],
    ...(headers === undefined ? {} : { headers: { ...headers } }),
    ...contentOf(payload),
    bytes: payload.byteLength,
    position: positionText(epoch, place),
  };
}

export function contentOf(payload: Uint8Array): { encoding: "json" | "text" | "base64"; payload: unknown } {
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return { encoding: "base64", payload: Buffer.from(payload).toString("base64") };
  }
  try {
    return { encoding: "json", payload: JSON.parse(text) as unknown };
  } catch {
    return { encoding: "text", payload: text };
  }
}
