/** The log's file is made longer ahead of small commits, and only by bytes that nobody has written. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Reserve } from "../../../src/runtime/log/embedded/reserve.ts";

const small = 1_000;
const large = 1_000_000;
let directory: string;
let file: string;
let reserve: Reserve;
const size = (): number => statSync(file).size;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weir-reserve-test-"));
  file = join(directory, "file");
  appendFileSync(file, Buffer.alloc(10_000, 7));
  reserve = new Reserve(file);
});
afterEach(() => {
  reserve.close();
  rmSync(directory, { recursive: true });
});

test("committed() leaves a file that did not grow as it is", () => {
  reserve.committed(small);
  expect(size()).toBe(10_000);
});

test("committed() adds zeros behind what a small commit has added, once for many commits", () => {
  appendFileSync(file, Buffer.alloc(4_096, 8));
  reserve.committed(small);
  const reserved = size();
  expect(reserved).toBeGreaterThan(500_000);
  reserve.committed(small);
  expect(size()).toBe(reserved);
  const bytes = readFileSync(file);
  expect(bytes.subarray(0, 10_000).equals(Buffer.alloc(10_000, 7))).toBe(true);
  expect(bytes.subarray(10_000, 14_096).equals(Buffer.alloc(4_096, 8))).toBe(true);
  expect(bytes.subarray(14_096).equals(Buffer.alloc(reserved - 14_096))).toBe(true);
});

test("committed() adds nothing after a large commit, and again after the next small one", () => {
  appendFileSync(file, Buffer.alloc(large, 8));
  reserve.committed(large);
  expect(size()).toBe(10_000 + large);
  appendFileSync(file, Buffer.alloc(4_096, 9));
  reserve.committed(small);
  expect(size()).toBeGreaterThan(10_000 + large + 500_000);
});
