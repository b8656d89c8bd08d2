/**
 * Small records for the tests of logs.
 * @module
 */
import type { LogRecord, NewRecord } from "../../../src/runtime/log/event-log.ts";

export function newRecord(topic: string, text = ""): NewRecord {
  return { topic, id: `id-${text}`, lane: 2, payload: new TextEncoder().encode(text) };
}

export function texts(records: readonly LogRecord[]): string[] {
  return records.map((record) => new TextDecoder().decode(record.payload));
}
