/**
 * Retention by Weir: removes the oldest records and leaves what else the stream holds. A stream's own limits
 * (`max_age`, `max_bytes`) do the same without anybody's help.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";
import type { Clock } from "../../ports.ts";
import type { Retention } from "../event-log.ts";
import type { Api } from "./api.ts";
import { followUntil } from "./follow-until.ts";
import type { Reads } from "./reads.ts";
import type { Names, Subjects } from "./subjects.ts";

export type TrimParts = {
  readonly api: Api;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly reads: Reads;
};
type Ends = { readonly firstSeq: Seq; readonly lastSeq: Seq; readonly records: number; readonly bytes: number };

/** Answers how many records went. */
export async function trimRecords(parts: TrimParts, retention: Retention, ends: Ends): Promise<number> {
  const { api, clock, names, subjects, reads } = parts;
  const purge = async (bound: { readonly seq: Seq } | { readonly keep: number }): Promise<number> => {
    const body = { filter: subjects.allTopics, ...bound };
    return (await api.ask<{ purged: number }>(`$JS.API.STREAM.PURGE.${names.records}`, body)).purged;
  };
  let removed = 0;
  if (retention.ageMs > 0) {
    const seq = await reads.seqAtTime(clock.now() - retention.ageMs);
    if (seq > ends.firstSeq) removed += await purge({ seq });
  }
  if (retention.bytes > 0 && ends.bytes > retention.bytes) {
    const seq = await seqBeyond(parts, ends, ends.bytes - retention.bytes);
    removed += await purge({ seq });
  }
  if (retention.records > 0 && ends.records - removed > retention.records)
    removed += await purge({ keep: retention.records });
  return removed;
}

/** Overhead of a stored message beside its subject, headers and payload. */
const messageOverhead = 22;

/** The first seq to keep so that at least so many bytes go. */
async function seqBeyond({ api, clock, names, subjects }: TrimParts, ends: Ends, excess: number): Promise<Seq> {
  let freed = 0;
  let keep = ends.lastSeq + 1;
  const range = { stream: names.records, filters: [subjects.allTopics], after: ends.firstSeq - 1, headersOnly: true };
  await followUntil(api, clock, range, ({ seq, subject, headers }) => {
    if (freed >= excess) {
      keep = seq;
      return true;
    }
    freed += Number(headers?.get("Nats-Msg-Size") ?? 0) + subject.length + messageOverhead;
    return seq >= ends.lastSeq;
  });
  return keep;
}
