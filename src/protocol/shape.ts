/**
 * What a shape is: the fields of a frame or object, in which order, of what kind, within which limit. Read by the codecs
 * and by the one door behind them (frame-reader.ts).
 *
 * Pure.
 * @module
 */
import type { DecodeLimit } from "./codec.ts";
import type { DeliveredRecord, Frame, FrameType } from "./frame.ts";

/** `frameBytesMax`: no bound of its own. */
export type TextLimit = Extract<DecodeLimit, "topicBytesMax" | "textBytesMax" | "tokenBytesMax" | "frameBytesMax">;

export type Kind =
  /** A safe integer from 0 to `max`. */
  | { readonly is: "uint"; readonly max: number }
  | { readonly is: "bool" }
  | { readonly is: "text"; readonly limit: TextLimit }
  | { readonly is: "bytes" }
  /** A number 0–3; JSON says its name. */
  | { readonly is: "lane" }
  /** One of the words; the binary codecs say its place, from 1. */
  | { readonly is: "word"; readonly words: readonly string[] }
  | { readonly is: "headers" }
  | { readonly is: "list"; readonly of: Kind }
  | { readonly is: "object"; readonly shape: Shape };

export type Field = { readonly name: string; readonly kind: Kind; readonly required: boolean };
export type Shape = {
  readonly name: string;
  readonly fields: readonly Field[];
  /** For each value of the first field: the fields that come with it, and no others. */
  readonly variants?: { readonly [kind: string]: readonly string[] };
};

type Must = { readonly kind: Kind; readonly required: true };
type May = { readonly kind: Kind; readonly required: false };
type FieldsOf<T> = { readonly [K in Exclude<keyof T, "type">]-?: object extends Pick<T, K> ? May : Must };

export function shape<T>(name: string, fields: FieldsOf<T>): Shape {
  const entries = Object.entries<Must | May>(fields);
  return { name, fields: entries.map(([field, { kind, required }]) => ({ name: field, kind, required })) };
}

export const must = (kind: Kind): Must => ({ kind, required: true });
export const may = (kind: Kind): May => ({ kind, required: false });
export const list = (of: Kind): Kind => ({ is: "list", of });
export const object = (of: Shape): Kind => ({ is: "object", shape: of });
export const word = (...words: readonly string[]): Kind => ({ is: "word", words });

export const uint: Kind = { is: "uint", max: Number.MAX_SAFE_INTEGER };
export const bool: Kind = { is: "bool" };
export const bytes: Kind = { is: "bytes" };
export const lane: Kind = { is: "lane" };
export const headers: Kind = { is: "headers" };
/** An error or close code. */
export const code: Kind = { is: "uint", max: 65_535 };
export const qos: Kind = { is: "uint", max: 2 };
export const topic: Kind = { is: "text", limit: "topicBytesMax" };
export const text: Kind = { is: "text", limit: "textBytesMax" };
export const token: Kind = { is: "text", limit: "tokenBytesMax" };
/** Judged record by record (src/runtime/session/publish-check.ts): a frame with one bad record among good ones has effect. */
export const anyText: Kind = { is: "text", limit: "frameBytesMax" };

// The topic of a delivered record may be longer than a client's: `$dead.` comes before it.
export const deliveredRecordShape = shape<DeliveredRecord>("DeliveredRecord", {
  seq: must(uint),
  time: must(uint),
  topic: must(text),
  id: must(text),
  lane: must(lane),
  payload: must(bytes),
  headers: may(headers),
});
/** A frame that a codec can know. */
export type FrameShape = { readonly type: FrameType; readonly number: number; readonly shape: Shape };

export function frameShapesOf<T extends FrameType>(
  numbers: { readonly [K in T]: number },
  shapes: { readonly [K in T]: Shape },
): readonly FrameShape[] {
  return (Object.keys(numbers) as T[]).map((type) => ({ type, number: numbers[type], shape: shapes[type] }));
}

/** A frame's or object's fields by name, as the codecs walk them. */
export type Fields = { readonly [name: string]: unknown };

/** The value to be written, or `undefined` when the field is left out. */
export function written(fields: Fields, field: Field): unknown {
  const value = fields[field.name];
  return field.required || !isEmpty(value, field.kind) ? value : undefined;
}

/** A list or headers without items: the same as absent where the field is optional. */
export function isEmpty(value: unknown, kind: Kind): boolean {
  if (value === undefined) return true;
  if (kind.is === "list") return (value as readonly unknown[]).length === 0;
  return kind.is === "headers" && Object.keys(value as object).length === 0;
}

export function fieldsOf(frame: Frame): Fields {
  return frame as unknown as Fields;
}
