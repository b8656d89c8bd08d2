/**
 * Looks over a Protobuf frame before it is parsed: which frame is it, is it whole, are its lists bounded, has every
 * known field its wire type? Groups are refused, they are the only part of the format that nests without a schema.
 *
 * Pure. Recursion follows the schema, which is shallow, and `frameDepthMax`.
 * @module
 */
import type { DecodeLimits } from "./frame-reader.ts";
import { FrameRefusal } from "./frame-reader.ts";
import type { Field, FrameShape, Kind, Shape } from "./shape.ts";
import type { Vocabulary } from "./vocabulary.ts";

type ScanLimits = Pick<DecodeLimits, "frameDepthMax" | "listItemsMax">;

const varintType = 0;
const fixed64Type = 1;
const lengthType = 2;
const fixed32Type = 5;
const varintBytesMax = 10;

/** Answers which frame it is. Throws `FrameRefusal`. */
export function scanProtobuf(bytes: Uint8Array, limits: ScanLimits, vocabulary: Vocabulary): FrameShape {
  return new Scan(bytes, limits).frame(vocabulary);
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #limits: ScanLimits;
  #at = 0;

  constructor(bytes: Uint8Array, limits: ScanLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  frame({ byNumber }: Vocabulary): FrameShape {
    const end = this.#bytes.length;
    let found: FrameShape | undefined;
    while (this.#at < end) {
      const tag = this.#varint(end);
      const known = byNumber.get(Math.floor(tag / 8));
      if (known === undefined)
        throw new FrameRefusal("unknownFrame", "$", `Frame number ${Math.floor(tag / 8)} is not known`);
      const at = `$.${known.type}`;
      if (found !== undefined)
        throw new FrameRefusal("badFrameShape", at, `One message holds one frame, not ${found.type} and ${known.type}`);
      if (tag % 8 !== lengthType)
        throw new FrameRefusal("badFrameShape", at, `Frame ${known.type} has wire type ${tag % 8}, not ${lengthType}`);
      found = known;
      const length = this.#length(end);
      this.#fields(known.shape, this.#at + length, "$", 2);
    }
    if (found === undefined) throw new FrameRefusal("unknownFrame", "$", "Frame is empty");
    return found;
  }

  /**
   * A field with a number that the shape does not have is passed over, and lost: it is what Protobuf's own rules ask
   * for, and how a newer peer's optional field is met.
   */
  #fields(shape: Shape, end: number, path: string, depth: number): void {
    if (depth > this.#limits.frameDepthMax)
      throw new FrameRefusal("frameTooDeep", path, `Frame nests deeper than ${this.#limits.frameDepthMax}`);
    const counts: number[] = shape.fields.map(() => 0);
    while (this.#at < end) {
      const tag = this.#varint(end);
      const index = Math.floor(tag / 8) - 1;
      if (index < 0) throw this.#malformed("Field number 0 is not allowed");
      const field = shape.fields[index];
      const wireType = tag % 8;
      if (field === undefined) {
        this.#skip(wireType, end);
        continue;
      }
      if (wireType !== wireTypeOf(field.kind)) {
        throw new FrameRefusal(
          "badFrameShape",
          `${path}.${field.name}`,
          `Field ${field.name} has wire type ${wireType}, not ${wireTypeOf(field.kind)}`,
        );
      }
      counts[index] = (counts[index] as number) + 1;
      this.#known(field, counts[index] as number, end, { path, depth });
    }
  }

  #known(field: Field, count: number, end: number, from: { readonly path: string; readonly depth: number }): void {
    const { kind } = field;
    const countMax = kind.is === "list" || kind.is === "headers" ? this.#limits.listItemsMax : Number.POSITIVE_INFINITY;
    if (count > countMax)
      throw new FrameRefusal("badFrameShape", `${from.path}.${field.name}`, `More than ${countMax} items`);
    const inner = kind.is === "list" ? kind.of : kind;
    if (inner.is === "object") {
      const length = this.#length(end);
      const path = kind.is === "list" ? `${from.path}.${field.name}[${count - 1}]` : `${from.path}.${field.name}`;
      this.#fields(inner.shape, this.#at + length, path, from.depth + 1);
    } else if (kind.is === "list" && wireTypeOf(inner) === varintType) this.#packed(field.name, end, from.path);
    else this.#skip(wireTypeOf(kind), end);
  }

  /** Numbers one after the other, as proto3 writes a list of them. */
  #packed(name: string, end: number, path: string): void {
    const length = this.#length(end);
    const until = this.#at + length;
    for (let count = 0; this.#at < until; count++) {
      if (count >= this.#limits.listItemsMax)
        throw new FrameRefusal("badFrameShape", `${path}.${name}`, `More than ${this.#limits.listItemsMax} items`);
      this.#varint(until);
    }
  }

  #skip(wireType: number, end: number): void {
    if (wireType === varintType) this.#varint(end);
    else if (wireType === lengthType) {
      const length = this.#length(end); // moves on past itself, so it is read before the sum
      this.#at += length;
    } else if (wireType === fixed64Type || wireType === fixed32Type) {
      this.#at += wireType === fixed64Type ? 8 : 4;
      if (this.#at > end) throw this.#malformed("Frame ends in the middle of a field");
    } else throw this.#malformed(`Wire type ${wireType} is not used`);
  }

  #length(end: number): number {
    const length = this.#varint(end);
    if (length > end - this.#at) throw this.#malformed(`Frame ends before the ${length} bytes of a field`);
    return length;
  }

  /** Exact up to 2^53, which is more than any tag or length that could be met. */
  #varint(end: number): number {
    let value = 0;
    let unit = 1;
    for (let count = 0; count < varintBytesMax; count++) {
      if (this.#at >= end) throw this.#malformed("Frame ends in the middle of a number");
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
    throw this.#malformed("A number is longer than 10 bytes");
  }

  #malformed(message: string): FrameRefusal {
    return new FrameRefusal("malformedFrame", "$", `${message}, at byte ${this.#at}`);
  }
}

function wireTypeOf(kind: Kind): number {
  return kind.is === "uint" || kind.is === "lane" || kind.is === "word" || kind.is === "bool" ? varintType : lengthType;
}
