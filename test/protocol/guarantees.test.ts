/**
 * docs/guarantees.md names its proofs: what it names exists.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { cases } from "../conformance/suite.ts";

const root = new URL("../../", import.meta.url);
const guarantees = readFileSync(new URL("docs/guarantees.md", root), "utf8");

test("docs/guarantees.md names files that exist", () => {
  const named = [...guarantees.matchAll(/`((?:test|bench)\/[^`]+)`/g)].map(([, path = ""]) => path);
  expect(named.length).toBeGreaterThan(4);
  expect(named.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
});

test("docs/guarantees.md quotes conformance cases by their names", () => {
  const names = new Set(cases.map(({ name }) => name));
  const quoted = [...guarantees.matchAll(/^- "(.+)"$/gm)].map(([, name = ""]) => name);
  expect(quoted.length).toBeGreaterThan(4);
  expect(quoted.filter((name) => !names.has(name))).toEqual([]);
});

test("the conformance suite has at least 60 cases, each named once", () => {
  expect(cases.length).toBeGreaterThanOrEqual(60);
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
