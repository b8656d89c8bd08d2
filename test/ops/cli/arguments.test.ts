/**
 * Which command lines are refused, and with what words.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { strictArguments, wholeNumber } from "../../../src/ops/cli/arguments.ts";

const args = {
  topic: { type: "positional" },
  port: { type: "string", alias: "p" },
  tty: { type: "boolean", default: true },
} as const;

describe("strictArguments()", () => {
  test("answers the text options, by long name, short name and with an equals sign", () => {
    expect(strictArguments(args, ["a", "--port", "1"])).toEqual({ port: "1" });
    expect(strictArguments(args, ["--port=1", "a", "--no-tty"])).toEqual({ port: "1" });
    expect(strictArguments(args, ["-p", "1"])).toEqual({ port: "1" });
  });

  test("takes the further options that it is told of", () => {
    expect(strictArguments(args, ["--limits.maxDeliver=3"], ["limits.maxDeliver"])).toEqual({
      "limits.maxDeliver": "3",
    });
  });

  test("refuses an unknown option, a word too many and an option without its value", () => {
    expect(() => strictArguments(args, ["--prot", "1"])).toThrow(
      "Unknown option --prot, expected one of: --port, --tty",
    );
    expect(() => strictArguments(args, ["a", "b"])).toThrow('Unexpected argument "b", expected at most 1');
    expect(() => strictArguments(args, ["--port"])).toThrow("argument missing");
  });
});

describe("wholeNumber()", () => {
  test("names the option and its range when the text is none", () => {
    const range = { min: 1, max: 9 };
    expect(wholeNumber("seconds", "9", range)).toBe(9);
    for (const text of ["", "0", "10", "1.5", "x", " "]) {
      expect(() => wholeNumber("seconds", text, range)).toThrow(
        `--seconds must be a whole number from 1 to 9, got "${text}"`,
      );
    }
  });
});
