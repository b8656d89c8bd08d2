/**
 * `weir.v1.json`: the same frames as objects that a person can type: `{"type":"ping","id":1}`. A record's bytes are
 * `payload` (any JSON value; the bytes are its text, kept as written) or `payloadBase64`. A lane is its name.
 * A field that the frame does not have is refused by name: it is nearly always a typing mistake.
 *
 * Pure.
 * @module
 */
import { fromBase64, toBase64 } from "./base64.ts";
import type { Codec } from "./codec.ts";
import type { Frame, FrameType } from "./frame.ts";
import { frameNumbers } from "./frame.ts";
import type { DecodeLimits, WireForm } from "./frame-reader.ts";
import { clipped, FrameRefusal, failureOf, readFrame } from "./frame-reader.ts";
import type { Fields, Kind, Shape } from "./frame-shape.ts";
import { fieldsOf, frameShapes, written } from "./frame-shape.ts";
import { liftPayloads, valueEnd } from "./json-payloads.ts";
import type { LaneName } from "./lane.ts";
import { laneNames } from "./lane.ts";
import { fitsUtf8 } from "./utf8.ts";

/** First bytes of JSON values. */
const jsonStarts: ReadonlySet<number | undefined> = new Set([...'{["-0123456789tfn'].map((char) => char.charCodeAt(0)));

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const jsonCodec: Codec = {
  name: "json",
  text: true,
  encode: (frame) => objectText(fieldsOf(frame), frameShapes[frame.type], [`"type":"${frame.type}"`]),
  decode(data, limits) {
    try {
      return { ok: true, frame: decode(data, limits) };
    } catch (thrown) {
      return failureOf(thrown);
    }
  },
};

function objectText(values: Fields, shape: Shape, parts: string[]): string {
  for (const field of shape.fields) {
    const value = written(values, field);
    if (value === undefined) continue;
    if (field.kind.is === "bytes") parts.push(payloadText(value as Uint8Array));
    else parts.push(`"${field.name}":${valueText(value, field.kind)}`);
  }
  return `{${parts.join(",")}}`;
}

function valueText(value: unknown, kind: Kind): string {
  if (kind.is === "object") return objectText(value as Fields, kind.shape, []);
  if (kind.is === "list") return `[${(value as readonly unknown[]).map((item) => valueText(item, kind.of)).join(",")}]`;
  return JSON.stringify(kind.is === "lane" ? laneNames[value as number] : value);
}

function payloadText(payload: Uint8Array): string {
  const text = jsonTextOf(payload);
  return text === undefined ? `"payloadBase64":"${toBase64(payload)}"` : `"payload":${text}`;
}

/** The payload as JSON text, if a reader of it gets the same bytes back: no space around it, not too deep. */
function jsonTextOf(payload: Uint8Array): string | undefined {
  if (!jsonStarts.has(payload[0])) return undefined; // spares the cost of a failure for what is plainly not JSON
  try {
    const text = strictUtf8.decode(payload);
    if (valueEnd(text, 0) !== text.length) return undefined;
    JSON.parse(text);
    return text.trim() === text ? text : undefined;
  } catch {
    return undefined;
  }
}

function decode(data: Uint8Array | string, limits: DecodeLimits): Frame {
  if (typeof data !== "string")
    throw new FrameRefusal("malformedFrame", "$", "Frame must be a text message, not a binary one");
  if (!fitsUtf8(data, limits.frameBytesMax)) {
    throw new FrameRefusal("frameTooLarge", "$", `Frame is larger than ${limits.frameBytesMax} bytes`);
  }
  const { skeleton, payloads } = liftPayloads(data, limits);
  const raw: unknown = JSON.parse(skeleton);
  if (!isObject(raw)) throw new FrameRefusal("badFrameShape", "$", "Frame must be an object with a type");
  const { type, ...fields } = raw as Fields;
  if (typeof type !== "string" || !Object.hasOwn(frameNumbers, type)) {
    const said = typeof type === "string" ? JSON.stringify(type.slice(0, 32)) : "absent or no text";
    throw new FrameRefusal("unknownFrame", "$.type", `Frame type is not known: ${said}`);
  }
  return readFrame(type as FrameType, fields, formOf(payloads), limits);
}

function formOf(payloads: readonly string[]): WireForm {
  return {
    objectName: "an object",
    laneName: `one of ${laneNames.map((name) => `"${name}"`).join(", ")}`,
    bytesName: "base64 with padding (RFC 4648, section 4) in payloadBase64",
    isObject,
    field(raw, _index, name) {
      if (Object.hasOwn(raw, name))
        return name === "payload" ? parsedBytes(payloads[(raw as { payload: number }).payload]) : (raw as Fields)[name];
      if (name !== "payload" || !Object.hasOwn(raw, "payloadBase64")) return undefined;
      const text = (raw as { payloadBase64: unknown }).payloadBase64;
      return typeof text === "string" ? (fromBase64(text) ?? text) : text;
    },
    surplus(raw, shape) {
      const name = Object.keys(raw).find((each) => !isFieldOf(shape, each, raw));
      if (name === undefined) return undefined;
      const isSecond = name === "payloadBase64" && isFieldOf(shape, "payload", raw);
      return {
        name,
        message: isSecond
          ? `${shape.name} has "payload" or "payloadBase64", not both`
          : `${shape.name} has no field "${clipped(name)}"`,
      };
    },
    uint: (raw) => raw,
    lane: (raw) => laneNames.indexOf(raw as LaneName),
    word: (raw) => raw,
    headers: (raw) => (isObject(raw) ? Object.entries(raw as object) : undefined),
  };
}

function isFieldOf(shape: Shape, name: string, raw: object): boolean {
  if (name === "payloadBase64") return !Object.hasOwn(raw, "payload") && isFieldOf(shape, "payload", raw);
  return shape.fields.some((field) => field.name === name);
}

function parsedBytes(text: string | undefined): Uint8Array {
  JSON.parse(text ?? "");
  return utf8.encode(text);
}

function isObject(raw: unknown): boolean {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}
