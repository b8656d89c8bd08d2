/**
 * Which command lines are refused, and with what words.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { strictArguments, timeIn, wholeNumber } from "../../../src/ops/cli/arguments.ts";

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
      "Unknown option --prot, did you mean --port? Expected one of: --port, --tty",
    );
    expect(() => strictArguments(args, ["a", "b"])).toThrow('Unexpected argument "b", expected at most 1');
    expect(() => strictArguments(args, ["--port"])).toThrow("argument missing");
  });
});

describe("timeIn()", () => {
  test("takes dates and instants as ISO 8601 writes them, and nothing that a runtime may guess at", () => {
    expect(timeIn("2030-01-31")).toBe(Date.UTC(2030, 0, 31));
    expect(timeIn("2030-01-31T12:00:00Z")).toBe(Date.UTC(2030, 0, 31, 12));
    expect(timeIn("2030-01-31T12:00:00.5+02:00")).toBe(Date.UTC(2030, 0, 31, 10, 0, 0, 500));
    for (const text of ["yesterday", "5", "", "2030", "Jan 31 2030", "2030-13-01"])
      expect(timeIn(text)).toBeUndefined();
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
