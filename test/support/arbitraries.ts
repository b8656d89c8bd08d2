/**
 * Arbitrary topics, filters and frames of every type, within the limits, for property tests.
 * @module
 */
import fc from "fast-check";
import { frameNumbers, frameShapes } from "../../src/protocol/all-frames.ts";
import type { Frame, FrameType } from "../../src/protocol/frame.ts";
import type { Kind, Shape } from "../../src/protocol/shape.ts";

/** Few tokens, so that filters and topics meet often. */
const token = fc.constantFrom("a", "b", "ab", "é", "$x");
const tokens = fc.array(token, { minLength: 1, maxLength: 5 });

export const topics = tokens.map((all) => all.join("."));
export const filters = fc
  .tuple(
    fc.array(fc.oneof({ arbitrary: token, weight: 2 }, { arbitrary: fc.constant("*"), weight: 1 }), { maxLength: 4 }),
    fc.constantFrom("a", "b", "*", ">"),
  )
  .map(([some, last]) => [...some, last].join("."));

const integers = fc.oneof(
  fc.nat({ max: 300 }),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER),
);
/** Any well-formed text; each limit holds in bytes. */
const texts = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom("", "__proto__", "é".repeat(100), "x".repeat(250)),
);
const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc.json().map((text) => new TextEncoder().encode(text)),
  fc
    .constantFrom(
      '{"a": 1}',
      " 1",
      "1e400",
      '{"a":1,"a":2}',
      '{"payload":{"payload":[]}}',
      "[".repeat(70) + "]".repeat(70),
      "\ufeff1",
      "",
    )
    .map((text) => new TextEncoder().encode(text)),
);
const headers = fc.dictionary(
  fc.oneof(fc.string({ maxLength: 10 }), fc.constantFrom("__proto__", "constructor", "1")),
  fc.string({ maxLength: 20 }),
  {
    minKeys: 1,
    maxKeys: 5,
    noNullPrototype: true,
  },
);

function valuesOf(kind: Kind, required: boolean): fc.Arbitrary<unknown> {
  switch (kind.is) {
    case "uint":
      return kind.max === Number.MAX_SAFE_INTEGER ? integers : fc.nat({ max: kind.max });
    case "lane":
      return fc.nat({ max: 3 });
    case "bool":
      return fc.boolean();
    case "text":
      return texts;
    case "bytes":
      return payloads;
    case "word":
      return fc.constantFrom(...kind.words);
    case "headers":
      return headers;
    case "list":
      return fc.array(valuesOf(kind.of, true), { minLength: required ? 0 : 1, maxLength: 5 });
    case "object":
      return objects(kind.shape, {});
  }
}

function objects(shape: Shape, constant: object): fc.Arbitrary<object> {
  const { variants } = shape;
  if (variants === undefined)
    return some(
      shape,
      shape.fields.filter((field) => field.required).map((field) => field.name),
      shape.fields.map((field) => field.name),
      constant,
    );
  return fc.oneof(...Object.entries(variants).map(([kind, names]) => some(shape, names, names, { kind })));
}

function some(
  shape: Shape,
  required: readonly string[],
  allowed: readonly string[],
  constant: object,
): fc.Arbitrary<object> {
  const model: { [name: string]: fc.Arbitrary<unknown> } = {};
  for (const field of shape.fields)
    if (allowed.includes(field.name)) model[field.name] = valuesOf(field.kind, field.required);
  return fc
    .record(model, { requiredKeys: [...required], noNullPrototype: true })
    .map((values) => ({ ...constant, ...values }));
}

export function framesOf(type: FrameType): fc.Arbitrary<Frame> {
  return objects(frameShapes[type], { type }) as fc.Arbitrary<Frame>;
}

export const frameTypes = Object.keys(frameNumbers) as FrameType[];

/** Frames of every type. An optional list or headers is absent rather than empty, as on the wire. */
export const frames = fc.oneof(...frameTypes.map(framesOf));

/** A frame of the type with every field that can stand together: the longest of its encodings. */
export function fullFrame(type: FrameType): Frame {
  return { type, ...(sampleOf({ is: "object", shape: frameShapes[type] }) as object) } as Frame;
}

function sampleOf(kind: Kind): unknown {
  switch (kind.is) {
    case "uint":
      return Math.min(kind.max, 300);
    case "lane":
      return 1;
    case "bool":
      return true;
    case "text":
      return "tëxt";
    case "bytes":
      return new Uint8Array([0, 255]);
    case "word":
      return kind.words[0];
    case "headers":
      return { name: "value" };
    case "list":
      return [sampleOf(kind.of), sampleOf(kind.of)];
    case "object":
      return sampleObject(kind.shape);
  }
}

function sampleObject(shape: Shape): object {
  const longest = Object.entries(shape.variants ?? {}).sort((one, other) => other[1].length - one[1].length)[0];
  const held = shape.fields.filter((field) => longest === undefined || longest[1].includes(field.name));
  const values = Object.fromEntries(held.map((field) => [field.name, sampleOf(field.kind)]));
  return longest === undefined ? values : { kind: longest[0], ...values };
}
