/**
 * What looking back needs of an event log: the part that only reads. A running gateway's log, one opened beside it, and
 * a segment that was exported to a file are all read through this.
 * @module
 */
import type { EventLog, Journals } from "../../runtime/log/event-log.ts";

export type ReadableLog = Pick<EventLog, "info" | "end" | "read" | "lastPerTopic" | "seqAtTime"> & {
  readonly journals: Pick<Journals, "read" | "lastSeq" | "loadSnapshot" | "list">;
};
