/**
 * `weir.v1.json`: the same frames as objects that a person can type: `{"type":"ping","id":1}`. A record's bytes are
 * `payload` (any JSON value; the bytes are its text, kept as written) or `payloadBase64`; so is `data`. A lane is its name.
 * A field that the frame does not have is refused by name: it is nearly always a typing mistake.
 *
 * Pure.
 * @module
 */
import { fromBase64, toBase64 } from "./base64.ts";
import type { Codec } from "./codec.ts";
import type { Frame } from "./frame.ts";
import type { DecodeLimits, WireForm } from "./frame-reader.ts";
import { clipped, FrameRefusal, failureOf, readFrame } from "./frame-reader.ts";
import { liftedNames, liftPayloads, valueEnd } from "./json-payloads.ts";
import type { LaneName } from "./lane.ts";
import { laneNames } from "./lane.ts";
import type { Fields, FrameShape, Kind, Shape } from "./shape.ts";
import { fieldsOf, written } from "./shape.ts";
import { fitsUtf8 } from "./utf8.ts";
import { coreFrames, type Vocabulary, vocabularyOf } from "./vocabulary.ts";

/** First bytes of JSON values. */
const jsonStarts: ReadonlySet<number | undefined> = new Set([...'{["-0123456789tfn'].map((char) => char.charCodeAt(0)));

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const jsonCodec: Codec = codecOf(vocabularyOf(coreFrames));

function codecOf(vocabulary: Vocabulary): Codec {
  return {
    name: "json",
    text: true,
    encode(frame) {
      const { type, shape } = vocabulary.byType.get(frame.type) as FrameShape;
      return objectText(fieldsOf(frame), shape, [`"type":"${type}"`]);
    },
    decode(data, limits) {
      try {
        return { ok: true, frame: decode(data, limits, vocabulary) };
      } catch (thrown) {
        return failureOf(thrown);
      }
    },
    knowing: (frames) => codecOf(vocabularyOf([...vocabulary.frames, ...frames])),
  };
}

function objectText(values: Fields, shape: Shape, parts: string[]): string {
  for (const field of shape.fields) {
    const value = written(values, field);
    if (value === undefined) continue;
    if (field.kind.is === "bytes") parts.push(payloadText(field.name, value as Uint8Array));
    else parts.push(`"${field.name}":${valueText(value, field.kind)}`);
  }
  return `{${parts.join(",")}}`;
}

function valueText(value: unknown, kind: Kind): string {
  if (kind.is === "object") return objectText(value as Fields, kind.shape, []);
  if (kind.is === "list") return `[${(value as readonly unknown[]).map((item) => valueText(item, kind.of)).join(",")}]`;
  return JSON.stringify(kind.is === "lane" ? laneNames[value as number] : value);
}

function payloadText(name: string, payload: Uint8Array): string {
  const text = jsonTextOf(payload);
  return text === undefined ? `"${name}Base64":"${toBase64(payload)}"` : `"${name}":${text}`;
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

function decode(data: Uint8Array | string, limits: DecodeLimits, vocabulary: Vocabulary): Frame {
  if (typeof data !== "string")
    throw new FrameRefusal("malformedFrame", "$", "Frame must be a text message, not a binary one");
  if (!fitsUtf8(data, limits.frameBytesMax)) {
    throw new FrameRefusal("frameTooLarge", "$", `Frame is larger than ${limits.frameBytesMax} bytes`);
  }
  const { skeleton, payloads } = liftPayloads(data, limits);
  const raw: unknown = JSON.parse(skeleton);
  if (!isObject(raw)) throw new FrameRefusal("badFrameShape", "$", "Frame must be an object with a type");
  const { type, ...fields } = raw as Fields;
  const known = vocabulary.byType.get(type);
  if (known === undefined) {
    const said = typeof type === "string" ? JSON.stringify(type.slice(0, 32)) : "absent or no text";
    throw new FrameRefusal("unknownFrame", "$.type", `Frame type is not known: ${said}`);
  }
  return readFrame(known, fields, formOf(payloads), limits);
}

function formOf(payloads: readonly string[]): WireForm {
  return {
    objectName: "an object",
    laneName: `one of ${laneNames.map((name) => `"${name}"`).join(", ")}`,
    bytesName: "base64 with padding (RFC 4648, section 4) in payloadBase64",
    isObject,
    field(raw, _index, name) {
      if (Object.hasOwn(raw, name))
        return liftedNames.has(name) ? parsedBytes(payloads[(raw as Fields)[name] as number]) : (raw as Fields)[name];
      if (!liftedNames.has(name) || !Object.hasOwn(raw, `${name}Base64`)) return undefined;
      const text = (raw as Fields)[`${name}Base64`];
      return typeof text === "string" ? (fromBase64(text) ?? text) : text;
    },
    surplus(raw, shape) {
      const name = Object.keys(raw).find((each) => !isFieldOf(shape, each, raw));
      if (name === undefined) return undefined;
      const bytes = bytesOf(name);
      return {
        name,
        message: isField(shape, bytes)
          ? `${shape.name} has "${bytes}" or "${bytes}Base64", not both`
          : `${shape.name} has no field "${clipped(name)}"`,
      };
    },
    uint: (raw) => raw,
    lane: (raw) => laneNames.indexOf(raw as LaneName),
    word: (raw) => raw,
    headers: (raw) => {
      if (!isObject(raw)) return undefined;
      // One that has the name of bytes was lifted like them.
      const heldValue = (name: string, value: unknown) =>
        liftedNames.has(name) ? JSON.parse(payloads[value as number] ?? "") : value;
      return Object.entries(raw as object).map(([name, value]) => [name, heldValue(name, value)] as const);
    },
  };
}

function isFieldOf(shape: Shape, name: string, raw: object): boolean {
  const bytes = bytesOf(name);
  return bytes === undefined ? isField(shape, name) : !Object.hasOwn(raw, bytes) && isField(shape, bytes);
}

function isField(shape: Shape, name: string | undefined): boolean {
  return shape.fields.some((field) => field.name === name);
}

/** `payload` for `payloadBase64`. */
function bytesOf(name: string): string | undefined {
  const bytes = name.endsWith("Base64") ? name.slice(0, -"Base64".length) : undefined;
  return liftedNames.has(bytes) ? bytes : undefined;
}

function parsedBytes(text: string | undefined): Uint8Array {
  JSON.parse(text ?? "");
  return utf8.encode(text);
}

function isObject(raw: unknown): boolean {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}
