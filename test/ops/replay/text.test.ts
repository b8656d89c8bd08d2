import { expect, test } from "bun:test";
import { counted, tries } from "../../../src/ops/replay/text.ts";

test("counted() and tries() tell one thing from several", () => {
  expect([0, 1, 2].map((count) => counted(count, "record"))).toEqual(["0 records", "1 record", "2 records"]);
  expect(counted(1, "journal entry", "journal entries")).toBe("1 journal entry");
  expect([1, 3].map(tries)).toEqual(["1 try", "3 tries"]);
});
