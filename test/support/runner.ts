/**
 * Suites that must also run inside of Deno and Node take `describe`, `test` and `expect` from here: bun:test under Bun,
 * elsewhere plain-runner.ts and plain-expect.ts, which know what those suites use.
 * @module
 */
import { plainExpect } from "./plain-expect.ts";
import * as plain from "./plain-runner.ts";

type Runner = Pick<typeof import("bun:test"), "afterEach" | "beforeEach" | "describe" | "expect" | "test">;

const runner: Runner =
  "Bun" in globalThis ? await import("bun:test") : ({ ...plain, expect: plainExpect } as unknown as Runner);

export const { afterEach, beforeEach, describe, expect, test } = runner;
