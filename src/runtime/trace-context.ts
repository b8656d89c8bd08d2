/**
 * The header by which a record says which trace it belongs to (W3C Trace Context, version 00).
 *
 * Pure.
 * @module
 */
import type { Headers } from "../protocol/frame.ts";
import { limits } from "../protocol/limits.ts";
import type { NewRecord } from "./log/event-log.ts";

export type TraceParent = { readonly traceId: string; readonly spanId: string; readonly sampled: boolean };

const name = "traceparent";
const shape = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const sampledFlag = 1;
/** Name and value. */
const bytes = name.length + 55;

export const traceHeader = {
  name,
  /** Undefined: there is none, or it is not one. */
  parse(value: string | undefined): TraceParent | undefined {
    const [, traceId, spanId, flags] = value === undefined ? [] : (shape.exec(value) ?? []);
    if (traceId === undefined || spanId === undefined) return undefined;
    return { traceId, spanId, sampled: (Number.parseInt(flags as string, 16) & sampledFlag) === sampledFlag };
  },
  /** Of a span that is recorded. */
  format({ traceId, spanId }: { readonly traceId: string; readonly spanId: string }): string {
    return `00-${traceId}-${spanId}-01`;
  },
  /** Whether a record may get one beside the headers that it has. */
  fits(headers: Headers | undefined): boolean {
    if (headers === undefined) return true;
    const entries = Object.entries(headers);
    const held = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
    return entries.length < limits.headersPerRecordMax && held + bytes <= limits.headersBytesMax;
  },
};

/** The record as it is stored: who gets it goes on from there. */
export function withTrace(record: NewRecord, traceparent: string): NewRecord {
  return { ...record, headers: { ...record.headers, [name]: traceparent } };
}
