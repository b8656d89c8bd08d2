/**
 * The one door: what a codec has parsed becomes a frame here, or a refusal that names the field.
 * A `WireForm` says how one codec's parsed values look; the checks are the same for all.
 *
 * Pure. Owns: past this door every number is a safe integer from 0, every text is well-formed and within its
 * limit, every list is bounded, and no field is there that the table does not name.
 * @module
 */
import type { DecodeFailure, DecodeLimit } from "./codec.ts";
import type { Frame } from "./frame.ts";
import type { Lane } from "./lane.ts";
import { isLane } from "./lane.ts";
import type { Limits } from "./limits.ts";
import type { Field, FrameShape, Kind, Shape, TextLimit } from "./shape.ts";
import { isEmpty } from "./shape.ts";
import { fitsUtf8 } from "./utf8.ts";

export type DecodeLimits = Pick<Limits, DecodeLimit>;

/** How values look that one codec has parsed. A leaf that is not of the kind is answered as it is, and refused. */
export type WireForm = {
  /** What an object is called in a refusal. */
  readonly objectName: string;
  /** What a lane, and a record's bytes, are called in a refusal. */
  readonly laneName: string;
  readonly bytesName: string;
  isObject(raw: unknown): boolean;
  /** `undefined`: absent. */
  field(raw: object, index: number, name: string): unknown;
  /** A field that the shape does not have, and a sentence about it. */
  surplus(raw: object, shape: Shape): { readonly name: string; readonly message: string } | undefined;
  uint(raw: unknown): unknown;
  /** Anything but 0–3 is refused. */
  lane(raw: unknown): unknown;
  word(raw: unknown, words: readonly string[]): unknown;
  /** Names and values of headers; `undefined` when `raw` holds none. */
  headers(raw: unknown): readonly (readonly [unknown, unknown])[] | undefined;
};

/** Carries a refusal out of the walk; never leaves the codecs. */
export class FrameRefusal extends Error {
  readonly failure: DecodeFailure;
  constructor(code: DecodeFailure["code"], at: string, message: string, ref?: number) {
    super(message);
    this.failure = { ok: false, code, at, message, ...(ref === undefined ? {} : { ref }) };
  }
}

/** What a codec answers for anything that was thrown while it decoded. */
export function failureOf(thrown: unknown): DecodeFailure {
  if (thrown instanceof FrameRefusal) return thrown.failure;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { ok: false, code: "malformedFrame", at: "$", message: `Frame cannot be parsed: ${clipped(message, 200)}` };
}

/** Reads the fields of a frame whose type is known. Throws `FrameRefusal`. */
export function readFrame({ type, shape }: FrameShape, raw: unknown, form: WireForm, limits: DecodeLimits): Frame {
  const walk = new Walk(form, limits);
  try {
    return walk.object(raw, shape, 0, { type }) as unknown as Frame;
  } catch (thrown) {
    if (!(thrown instanceof FrameRefusal)) throw thrown;
    const { code, at, message } = thrown.failure;
    throw new FrameRefusal(code, at, message, refOf(shape, raw, form));
  }
}

/** The client's number for its request, of a frame that is refused for something else. */
function refOf(shape: Shape, raw: unknown, form: WireForm): number | undefined {
  const index = shape.fields.findIndex(({ name }) => name === "ref");
  if (index === -1 || !form.isObject(raw)) return undefined;
  const ref = form.uint(form.field(raw as object, index, "ref"));
  return Number.isSafeInteger(ref) && (ref as number) > 0 ? (ref as number) : undefined;
}

class Walk {
  readonly #form: WireForm;
  readonly #limits: DecodeLimits;
  /** Where the walk is: a name or an index for each depth. */
  readonly #path: (string | number)[] = [];

  constructor(form: WireForm, limits: DecodeLimits) {
    this.#form = form;
    this.#limits = limits;
  }

  object(raw: unknown, shape: Shape, depth: number, into: { [name: string]: unknown }): object {
    const form = this.#form;
    if (!form.isObject(raw)) this.#refuse(depth, `${shape.name} must be ${form.objectName}, not ${named(raw)}`);
    const surplus = form.surplus(raw as object, shape);
    if (surplus !== undefined) {
      this.#path[depth] = clipped(surplus.name);
      this.#refuse(depth + 1, surplus.message);
    }
    const { fields } = shape;
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index] as Field;
      const value = form.field(raw as object, index, field.name);
      this.#path[depth] = field.name;
      if (value === undefined) {
        if (field.required) this.#refuse(depth + 1, `${shape.name} needs the field "${field.name}"`);
        continue;
      }
      const read = this.#value(value, field.kind, depth + 1);
      if (field.required || !isEmpty(read, field.kind)) into[field.name] = read;
    }
    if (shape.variants !== undefined) this.#variant(into, shape, depth);
    return into;
  }

  #variant(into: { readonly [name: string]: unknown }, shape: Shape, depth: number): void {
    const kind = into.kind as string;
    const wanted = shape.variants?.[kind] ?? [];
    for (const { name, required } of shape.fields) {
      if (required || wanted.includes(name) === name in into) continue;
      this.#path[depth] = name;
      this.#refuse(depth + 1, `${shape.name} "${kind}" ${name in into ? "has no" : "needs the"} field "${name}"`);
    }
  }

  #value(raw: unknown, kind: Kind, depth: number): unknown {
    switch (kind.is) {
      case "uint":
        return this.#uint(this.#form.uint(raw), kind.max, depth);
      case "text":
        return this.#text(raw, kind.limit, depth);
      case "bytes":
        if (!(raw instanceof Uint8Array)) this.#refuse(depth, `Expected ${this.#form.bytesName}, got ${named(raw)}`);
        return raw;
      case "lane":
        return this.#lane(raw, depth);
      case "object":
        return this.object(raw, kind.shape, depth, {});
      case "list":
        return this.#list(raw, kind.of, depth);
      case "headers":
        return this.#headers(raw, depth);
      case "bool":
        if (typeof raw !== "boolean") this.#refuse(depth, `Expected true or false, got ${named(raw)}`);
        return raw;
      case "word": {
        const found = this.#form.word(raw, kind.words);
        if (!kind.words.includes(found as string))
          this.#refuse(depth, `Expected one of ${kind.words.join(", ")}, got ${named(raw)}`);
        return found;
      }
    }
  }

  #uint(raw: unknown, max: number, depth: number): number {
    if (!Number.isSafeInteger(raw) || (raw as number) < 0 || (raw as number) > max) {
      this.#refuse(depth, `Expected an integer from 0 to ${max}, got ${named(raw)}`);
    }
    return (raw as number) + 0; // -0 becomes 0
  }

  #lane(raw: unknown, depth: number): Lane {
    const lane = this.#form.lane(raw);
    if (!isLane(lane)) return this.#refuse(depth, `Expected ${this.#form.laneName}, got ${named(raw)}`);
    return (lane + 0) as Lane; // -0 becomes 0
  }

  #text(raw: unknown, limit: TextLimit, depth: number): string {
    if (typeof raw !== "string") this.#refuse(depth, `Expected text, got ${named(raw)}`);
    const text = raw as string;
    if (!fitsUtf8(text, this.#limits[limit]))
      this.#refuse(depth, `Text is longer than ${this.#limits[limit]} bytes (${limit})`);
    if (!text.isWellFormed()) this.#refuse(depth, "Text holds a lone surrogate");
    return text;
  }

  #list(raw: unknown, of: Kind, depth: number): readonly unknown[] {
    if (!Array.isArray(raw)) this.#refuse(depth, `Expected a list, got ${named(raw)}`);
    const items = raw as readonly unknown[];
    if (items.length > this.#limits.listItemsMax) {
      this.#refuse(depth, `List of ${items.length} items; at most ${this.#limits.listItemsMax} are allowed`);
    }
    const read: unknown[] = [];
    for (let index = 0; index < items.length; index++) {
      this.#path[depth] = index;
      read.push(this.#value(items[index], of, depth + 1));
    }
    return read;
  }

  /** `undefined` when there are none. `Object.fromEntries` makes `__proto__` a name like any other. */
  #headers(raw: unknown, depth: number): object | undefined {
    const entries = this.#form.headers(raw);
    if (entries === undefined) return this.#refuse(depth, `Expected headers (text by name), got ${named(raw)}`);
    if (entries.length > this.#limits.listItemsMax) {
      this.#refuse(depth, `${entries.length} headers; at most ${this.#limits.listItemsMax} are allowed`);
    }
    for (const [name, value] of entries) {
      this.#text(name, "frameBytesMax", depth);
      this.#path[depth] = clipped(name as string);
      this.#text(value, "frameBytesMax", depth + 1);
    }
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  #refuse(depth: number, message: string): never {
    let at = "$";
    for (const step of this.#path.slice(0, depth)) at += typeof step === "number" ? `[${step}]` : `.${step}`;
    throw new FrameRefusal("badFrameShape", at, message);
  }
}

/** A stranger's text in a refusal: short, and fit for every codec. */
export function clipped(text: string, lengthMax = 32): string {
  return text.length > lengthMax ? `${text.slice(0, lengthMax).toWellFormed()}…` : text.toWellFormed();
}

/** A value in words, short: it may be large, and a stranger's. */
function named(raw: unknown): string {
  if (raw === null) return "null";
  if (typeof raw === "string") return raw.length > 32 ? `text of ${raw.length} characters` : JSON.stringify(raw);
  if (typeof raw === "number" || typeof raw === "bigint" || typeof raw === "boolean") return String(raw);
  if (raw instanceof Uint8Array) return "bytes";
  return Array.isArray(raw) ? "a list" : raw instanceof Map ? "a map" : typeof raw;
}
