/**
 * The matchers of bun:test that suites for every runtime use, on node:assert. An unknown one is a TypeError.
 * @module
 */
import assert from "node:assert/strict";

type Matchers = {
  toBe(expected: unknown): void;
  toEqual(expected: unknown): void;
  toMatchObject(expected: unknown): void;
  toHaveLength(length: number): void;
  toContain(item: unknown): void;
  toBeGreaterThan(bound: number): void;
  toBeGreaterThanOrEqual(bound: number): void;
  toBeLessThan(bound: number): void;
  readonly not: Matchers;
  readonly rejects: { toThrow(part?: string): Promise<void> };
};

export function plainExpect(actual: unknown): Matchers {
  return matchers(actual, (holds, message) => assert.ok(holds, message));
}

function matchers(actual: unknown, judge: (holds: boolean, message: string) => void): Matchers {
  const compare = (how: string, expected: unknown, holds: boolean): void =>
    judge(holds, `${show(actual)} ${how} ${show(expected)}`);
  return {
    toBe: (expected) => compare("is", expected, Object.is(actual, expected)),
    toEqual: (expected) => compare("equals", expected, equal(actual, expected)),
    toMatchObject: (expected) => compare("matches", expected, matches(actual, expected)),
    toHaveLength: (length) => compare("has length", length, (actual as ArrayLike<unknown>).length === length),
    toContain: (item) => compare("contains", item, (actual as readonly unknown[]).includes(item)),
    toBeGreaterThan: (bound) => compare(">", bound, (actual as number) > bound),
    toBeGreaterThanOrEqual: (bound) => compare(">=", bound, (actual as number) >= bound),
    toBeLessThan: (bound) => compare("<", bound, (actual as number) < bound),
    get not() {
      return matchers(actual, (holds, message) => judge(!holds, `not: ${message}`));
    },
    rejects: {
      async toThrow(part = "") {
        const outcome = await Promise.resolve(actual).then(
          () => undefined,
          (error: unknown) => error,
        );
        assert.ok(outcome instanceof Error, "the promise rejects with an Error");
        assert.ok(outcome.message.includes(part), `"${outcome.message}" holds "${part}"`);
      },
    },
  };
}

function equal(actual: unknown, expected: unknown): boolean {
  try {
    assert.deepStrictEqual(actual, expected);
    return true;
  } catch {
    return false;
  }
}

/** What `expected` names is there; objects may hold more, lists may not. */
function matches(actual: unknown, expected: unknown): boolean {
  if (typeof expected !== "object" || expected === null) return Object.is(actual, expected);
  if (typeof actual !== "object" || actual === null) return false;
  if (Array.isArray(expected) && (actual as readonly unknown[]).length !== expected.length) return false;
  return Object.entries(expected).every(([key, value]) => matches((actual as Record<string, unknown>)[key], value));
}

function show(value: unknown): string {
  const text = JSON.stringify(value, (_, each: unknown) =>
    each instanceof Uint8Array ? `${each.length} bytes` : each,
  );
  return (text ?? String(value)).slice(0, 2_000);
}
