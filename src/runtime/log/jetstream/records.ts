/**
 * A record as a message, and back. One record is one message on its topic's subject, its payload untouched.
 * @module
 */
import { normalLane } from "../../../protocol/lane.ts";
import type { LogRecord, NewRecord } from "../event-log.ts";
import type { Stored } from "./api.ts";
import { encodeId, type Fields, header, readRecordHeaders, recordFields } from "./headers.ts";
import type { Message } from "./publisher.ts";
import { encodeToken, type Subjects } from "./subjects.ts";

/** `idMeant`: what a reader takes for the record's id when it finds this message id alone. */
export function recordMessage(
  subjects: Subjects,
  record: NewRecord,
  id: { readonly message: string; readonly idMeant: string } | undefined,
): Message {
  const isPlain = record.lane === normalLane && record.headers === undefined;
  if (isPlain && record.id === id?.idMeant)
    return { subject: subjects.topic(record.topic), fields: { [header.id]: id.message }, payload: record.payload };
  const fields: Record<string, string | number> = recordFields(record);
  if (id !== undefined) fields[header.id] = id.message;
  if (record.id !== (id?.idMeant ?? "")) fields[header.recordId] = encodeId(record.id);
  return { subject: subjects.topic(record.topic), fields: fields as Fields, payload: record.payload };
}

/** Message id of a producer's number; `life` counts how often the producer was forgotten before. */
export function numberId(
  producer: string,
  number: number,
  life: number,
): { readonly message: string; readonly idMeant: string } {
  const idMeant = `${encodeToken(producer)}/${number}`;
  return { message: life === 0 ? idMeant : `${idMeant}~${life}`, idMeant };
}

export function toRecord(subjects: Subjects, { seq, subject, timeMs, headers, data }: Stored): LogRecord {
  const { id, lane, headers: own } = readRecordHeaders(headers);
  const record = { seq, time: timeMs, topic: subjects.topicOf(subject), id: id ?? "", lane, payload: data };
  return own === undefined ? record : { ...record, headers: own };
}

/** The number that a message id stands for, if it is one of this producer's present life. */
export function numberOf(messageId: string, producer: string, life: number): number | undefined {
  const prefix = `${encodeToken(producer)}/`;
  if (!messageId.startsWith(prefix)) return undefined;
  const [number, itsLife = "0"] = messageId.slice(prefix.length).split("~");
  return Number(itsLife) === life ? Number(number) : undefined;
}
