/**
 * NATS headers as text, and what Weir says in them.
 *
 * Owns: nothing that a client writes as a header can be taken for a header of NATS or of Weir.
 * @module
 */
import { type Lane, normalLane } from "../../../protocol/lane.ts";
import type { HeaderBlock } from "./header-block.ts";

/** Names on the wire. Services read them: docs/services.md. */
export const header = {
  id: "Nats-Msg-Id",
  expectedLast: "Nats-Expected-Last-Subject-Sequence",
  rollup: "Nats-Rollup",
  ttl: "Nats-TTL",
  batchId: "Nats-Batch-Id",
  batchSequence: "Nats-Batch-Sequence",
  batchCommit: "Nats-Batch-Commit",
  operation: "KV-Operation",
  /** Id of a record where it is not the message id. */
  recordId: "Weir-Id",
  /** The producer's number before this one, where that is not one less. */
  after: "Weir-After",
  lane: "Weir-Lane",
  /** Headers of the record that NATS headers cannot say, as JSON. */
  more: "Weir-Headers",
  /** Identity of a write, so that one whose answer was lost is recognised. */
  op: "Weir-Op",
  /** Numbers of a journal's entries in this message, `<first>-<last>`. */
  entries: "Weir-Entries",
  /** Key of a step that was done with the records before this message. */
  step: "Weir-Step",
  count: "Weir-Count",
  deleted: "Weir-Deleted",
  /** Seq of the journal's last message when its snapshot was made: a reader begins there. */
  at: "Weir-At",
} as const;

export type Fields = Readonly<Record<string, string | number>>;

/** Each with its end. */
export function headerLines(fields: Fields): string {
  let lines = "";
  for (const name in fields) lines += `${name}: ${fields[name]}\r\n`;
  return lines;
}

// --- of records ---

/** Printable ASCII without a colon, and not of NATS or of our own headers above. */
const plainName = /^[!-9;-~]+$/;
const reserved = /^(nats-|weir-(id|after|lane|headers|op|entries|step|count|deleted|at)$)/i;
/** One line, no space at its ends. */
const plainValue = /^[^\s\p{Cc}](?:[^\p{Cc}]*[^\s\p{Cc}])?$/u;

/** Message ids that begin so mean nothing but that this message is itself. */
export const anonymous = "~";
/** A producer that was forgotten and came back marks its message ids with the number of its new life. */
const incarnation = /~\d+$/;

export type RecordHeaders = {
  readonly lane: Lane;
  readonly headers?: Readonly<Record<string, string>>;
};

export function recordFields({ lane, headers: own }: RecordHeaders): Record<string, string | number> {
  const fields = bare();
  if (lane !== normalLane) fields[header.lane] = lane;
  if (own === undefined) return fields;
  const more = bare();
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(own)) {
    const lower = name.toLowerCase();
    if (plainName.test(name) && !reserved.test(name) && plainValue.test(value) && !seen.has(lower))
      fields[name] = value;
    else more[name] = value;
    seen.add(lower);
  }
  if (Object.keys(more).length > 0 || Object.keys(own).length === 0) fields[header.more] = asciiJson(more);
  return fields;
}

/** Without a prototype: a header may be called `__proto__`. */
function bare(): Record<string, string | number> {
  return Object.create(null) as Record<string, string | number>;
}

/** What a message says about its record: services' own headers are the record's. */
export function readRecordHeaders(found: HeaderBlock | undefined): RecordHeaders & { readonly id: string | undefined } {
  if (found === undefined) return { lane: normalLane, id: undefined };
  const messageId = found.only(header.id);
  if (messageId !== undefined) return { lane: normalLane, id: recordIdOf(messageId) };
  let lane: Lane = normalLane;
  let id: string | undefined;
  const own: [string, string][] = [];
  let hasHeaders = false;
  found.each((name, value) => {
    if (!reserved.test(name)) own.push([name, value]);
    else if (name === header.lane) lane = laneOf(value);
    else if (name === header.recordId) id = decodeURIComponent(value);
    else if (name === header.id) id ??= recordIdOf(value);
    else if (name === header.more) {
      own.push(...moreOf(value));
      hasHeaders = true;
    }
  });
  return own.length === 0 && !hasHeaders ? { lane, id } : { lane, id, headers: Object.fromEntries(own) };
}

/** What a message id says of the record's id. */
function recordIdOf(messageId: string): string | undefined {
  if (messageId.startsWith(anonymous)) return undefined;
  return messageId.includes("~") ? messageId.replace(incarnation, "") : messageId;
}

export function encodeId(id: string): string {
  return encodeURIComponent(id);
}

function laneOf(value: string): Lane {
  const lane = Number(value);
  return lane === 0 || lane === 1 || lane === 3 ? lane : normalLane;
}

/** A service may write anything there: what is no object of strings is no header. */
function moreOf(value: string): [string, string][] {
  try {
    const parsed: unknown = JSON.parse(value);
    if (typeof parsed !== "object" || parsed === null) return [];
    return Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  } catch {
    return [];
  }
}

function asciiJson(value: unknown): string {
  // What is outside of printable ASCII is escaped.
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
