import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fitsUtf8, utf8Length } from "../../src/protocol/utf8.ts";

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom("é", "€", "🙂", "\ud800", "\udc00", "\ud800a", "a\ud83d\ude42"),
);

describe("utf8", () => {
  test("utf8Length() is what TextEncoder writes, lone surrogates included", () => {
    fc.assert(fc.property(anyText, (text) => expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length)));
  });

  test("fitsUtf8() holds to the byte", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const bytes = utf8Length(text);
        expect([fitsUtf8(text, bytes), bytes > 0 && fitsUtf8(text, bytes - 1)]).toEqual([true, false]);
      }),
    );
  });
});
