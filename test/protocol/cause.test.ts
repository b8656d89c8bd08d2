/**
 * Every cause has a sentence and an advice, its setting exists, and docs/causes.md says the same.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { causesText } from "../../src/ops/replay/causes-text.ts";
import { settingName } from "../../src/ops/replay/setting-name.ts";
import { causeNames, causeOf, isCause } from "../../src/protocol/cause.ts";
import { closeCodes } from "../../src/protocol/close-code.ts";
import { errorCodes } from "../../src/protocol/error-code.ts";

describe("causeOf()", () => {
  test("has a row for every close code and every error code", () => {
    for (const name of [...Object.keys(closeCodes), ...Object.keys(errorCodes)])
      expect({ name, known: isCause(name) }).toEqual({ name, known: true });
  });

  test("gives every cause a sentence and an advice, and a setting that configuration has", () => {
    expect(causeNames.length).toBeGreaterThan(Object.keys(closeCodes).length);
    for (const name of causeNames) {
      const { sentence, advice, setting } = causeOf(name);
      expect({ name, said: sentence.length > 10 && advice.length > 5 }).toEqual({ name, said: true });
      expect({ name, known: setting === undefined || settingName(setting) !== undefined }).toEqual({
        name,
        known: true,
      });
    }
  });

  test("knows a cause that carries a number, and leaves somebody's own words as they are", () => {
    expect(causeOf("socketClosed 1006").name).toBe("socketClosed");
    expect(causeOf("database away")).toMatchObject({ name: "database away" });
    expect([isCause("ackTimeout"), isCause("database away"), isCause("constructor")]).toEqual([true, false, false]);
  });
});

test("every cause that the runtime names itself has a row", () => {
  const runtime = join(import.meta.dir, "../../src/runtime");
  const named = new Set<string>();
  for (const file of [
    "connection.ts",
    "gateway.ts",
    "handshake.ts",
    "session/standstill.ts",
    "session/session.ts",
    "session/sessions.ts",
    "session/subscriptions.ts",
    "session/redelivery.ts",
  ])
    for (const [, cause = ""] of readFileSync(join(runtime, file), "utf8").matchAll(
      /(?:cause: |end\("\w+", |detach\(\w+, )"(\w+)"/g,
    ))
      named.add(cause);
  expect(named.size).toBeGreaterThan(8);
  expect([...named].filter((cause) => !isCause(cause))).toEqual([]);
});

test("docs/causes.md is what tools/causes-table.ts writes", () => {
  expect(readFileSync(join(import.meta.dir, "../../docs/causes.md"), "utf8")).toBe(causesText());
});
