/**
 * Spans of the records of one step, from their arrival to the log's answer.
 * @module
 */
import type { AppendResult, LogFailure, NewRecord } from "../log/event-log.ts";
import type { PublishSpan, Tracer } from "../ports.ts";
import { withTrace } from "../trace-context.ts";
import type { SessionContext } from "./context.ts";

export type TracedRecord = { readonly index: number; readonly span: PublishSpan };

/** Those of the records that are in a sampled trace, which they are stored with. Undefined: none. */
export function beginSpans(
  tracer: Tracer,
  records: NewRecord[],
  { id, peer }: Pick<SessionContext, "id" | "peer">,
): readonly TracedRecord[] | undefined {
  let traced: TracedRecord[] | undefined;
  const about = { session: id, connection: peer?.id };
  for (let index = 0; index < records.length; index++) {
    const record = records[index] as NewRecord;
    const span = tracer.publish(record, about);
    if (span === undefined) continue;
    records[index] = withTrace(record, span.traceparent);
    traced ??= [];
    traced.push({ index, span });
  }
  return traced;
}

export function endSpans(traced: readonly TracedRecord[], result: AppendResult | { readonly rejection: string }): void {
  for (const { index, span } of traced) {
    if ("seqs" in result) span.end({ seq: result.seqs[index] ?? 0 });
    else span.end({ failure: "rejection" in result ? result.rejection : (result as LogFailure).message });
  }
}
