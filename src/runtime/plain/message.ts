/**
 * One record as plain JSON: `{type, data, timestamp, position, topic}`. A payload that has a `type` (and `data`,
 * `timestamp`) keeps them; anything else is `data` of a `message`. `position` is what `?from=` takes.
 *
 * Encoded once for all sockets that get it.
 * @module
 */
import type { LogEpoch, Seq } from "../../protocol/ids.ts";
import type { LogRecord } from "../log/event-log.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const encoded = new WeakMap<LogRecord, string>();

/** A record's place as text; the epoch says of which log. */
export function positionText(epoch: LogEpoch, seq: Seq): string {
  return `${epoch}:${seq}`;
}

export function plainRecord(record: LogRecord, epoch: LogEpoch): string {
  let text = encoded.get(record);
  if (text === undefined) {
    const { type, data, timestamp } = meaning(record);
    text = JSON.stringify({ type, data, timestamp, position: positionText(epoch, record.seq), topic: record.topic });
    encoded.set(record, text);
  }
  return text;
}

/** What the gateway itself says on a plain socket. */
export function plainNotice(
  type: string,
  data: unknown,
  at: { readonly time: number; readonly position: string },
): string {
  return JSON.stringify({ type, data, timestamp: new Date(at.time).toISOString(), position: at.position });
}

type Meaning = { readonly type: string; readonly data: unknown; readonly timestamp: string | number };

function meaning({ payload, time }: LogRecord): Meaning {
  const timestamp = new Date(time).toISOString();
  const value = payloadValue(payload);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return { type: "message", data: value, timestamp };
  const { type, data, timestamp: told, ...rest } = value as Record<string, unknown>;
  if (typeof type !== "string") return { type: "message", data: value, timestamp };
  const at = typeof told === "string" || typeof told === "number" ? told : timestamp;
  return { type, data: data === undefined ? rest : data, timestamp: at };
}

/** JSON, else text, else `{base64}`. */
export function payloadValue(payload: Uint8Array): unknown {
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return { base64: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64") };
  }
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
