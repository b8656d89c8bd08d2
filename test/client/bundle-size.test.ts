import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";

const budgetBytes = 25 * 1_024;

test("the SDK with its default codec is within its size budget for browsers, and brings neither other codecs nor files", async () => {
  const result = await Bun.build({
    entrypoints: [`${import.meta.dir}/../../src/client/mod.ts`],
    minify: true,
    target: "browser",
  });
  expect(result.success).toBe(true);
  const text = (await Promise.all(result.outputs.map((output) => output.text()))).join("\n");
  expect(text.includes("weir.v1.msgpack")).toBe(true); // An empty bundle is a broken check, not a small SDK.
  expect(["node:fs", "bufbuild", "google.protobuf"].filter((foreign) => text.includes(foreign))).toEqual([]);
  expect(gzipSync(text, { level: 9 }).byteLength).toBeLessThanOrEqual(budgetBytes);
});
