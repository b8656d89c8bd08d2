/**
 * How a record is printed, and how the place to begin at is read.
 *
 * Pure.
 * @module
 */
import type { HistoryRecord, StartOption } from "../../client/mod.ts";
import { type Lane, laneNames } from "../../protocol/lane.ts";
import { timeForms, timeIn } from "./arguments.ts";
import { usageError } from "./exit-code.ts";

export const recordFormats = ["line", "json", "payload"] as const;
export type RecordFormat = (typeof recordFormats)[number];

export type Printable = Pick<HistoryRecord, "seq" | "time" | "topic" | "id" | "lane" | "text"> & {
  readonly headers?: HistoryRecord["headers"] | undefined;
};

export function recordLine(record: Printable, format: RecordFormat): string {
  switch (format) {
    case "payload":
      return record.text();
    case "line":
      return `${record.seq}  ${new Date(record.time).toISOString()}  ${record.topic}  ${record.text()}`;
    case "json": {
      const { seq, time, topic, id, lane, headers } = record;
      return JSON.stringify({ seq, time, topic, id, lane: laneNames[lane as Lane], headers, payload: record.text() });
    }
  }
}

/** `new`, `all`, `last`, or a time as 2030-01-31T12:00:00Z. */
export function startOf(name: string, text: string): StartOption {
  if (text === "new" || text === "all" || text === "last") return text;
  const time = timeIn(text);
  if (time !== undefined) return { time };
  throw usageError(`--${name} must be new, all, last, or ${timeForms}, got "${text}"`);
}
