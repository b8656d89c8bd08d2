/**
 * Replaces one method of a production class for the time of one world.
 * @module
 */
import type { Bug } from "../bugs.ts";

type Method<T, K extends keyof T> = Extract<T[K], (...args: never[]) => unknown>;
type Same<T, K extends keyof T> = (...args: Parameters<Method<T, K>>) => ReturnType<Method<T, K>>;

/** It does something else. */
export function replaces<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  method: (this: T, ...args: Parameters<Method<T, K>>) => ReturnType<Method<T, K>>,
): NonNullable<Bug["breaks"]> {
  return () => {
    const right = prototype[name];
    prototype[name] = method as unknown as T[K];
    return () => {
      prototype[name] = right;
    };
  };
}

/** It does what it did, with something before or after it. */
export function wraps<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  wrong: (right: Same<T, K>, self: T) => Same<T, K>,
): NonNullable<Bug["breaks"]> {
  const right = prototype[name] as unknown as (this: T, ...args: Parameters<Method<T, K>>) => ReturnType<Method<T, K>>;
  return replaces(prototype, name, function (...args) {
    return wrong((...same) => right.apply(this, same), this)(...args);
  });
}

/** Several at once. */
export function together(...breaks: readonly NonNullable<Bug["breaks"]>[]): NonNullable<Bug["breaks"]> {
  return () => {
    const mends = breaks.map((one) => one());
    return () => {
      for (const mend of mends.reverse()) mend();
    };
  };
}
