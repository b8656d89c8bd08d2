import { afterEach, describe, expect, jest, test } from "bun:test";
import { sha256, systemClock, systemRandom } from "../../src/runtime/system.ts";

describe("systemClock()", () => {
  afterEach(() => void jest.useRealTimers());

  test("after() wakes once, and not at all when cancelled", async () => {
    const clock = systemClock();
    const woken: string[] = [];
    clock.after(1, () => woken.push("cancelled")).cancel();
    await new Promise<void>((resolve) => {
      clock.after(-5, () => woken.push("past"));
      clock.after(5, () => {
        woken.push("later");
        resolve();
      });
    });
    expect(woken).toEqual(["past", "later"]);
  });

  test("after() waits longer than one timer of the machine can", () => {
    jest.useFakeTimers();
    const woken: number[] = [];
    const days30 = 30 * 86_400_000;
    systemClock().after(days30, () => woken.push(1));
    const cancelled = systemClock().after(days30, () => woken.push(2));
    jest.advanceTimersByTime(days30 - 1);
    expect(woken).toEqual([]);
    cancelled.cancel();
    jest.advanceTimersByTime(1);
    expect(woken).toEqual([1]);
  });

  test("soon() runs after promises that are settled already", async () => {
    const order: string[] = [];
    const ran = new Promise<void>((resolve) => {
      systemClock().soon(() => {
        order.push("soon");
        resolve();
      });
    });
    await Promise.resolve().then(() => order.push("promise"));
    await ran;
    expect(order).toEqual(["promise", "soon"]);
  });
});

describe("systemRandom()", () => {
  test("next() lies in [0, 1) and varies", () => {
    const random = systemRandom();
    const values = Array.from({ length: 100 }, () => random.next());
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(new Set(values).size).toBeGreaterThan(90);
  });

  test("token() is base64url of so many bytes", () => {
    const random = systemRandom();
    expect(random.token(16)).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(random.token(16)).not.toBe(random.token(16));
  });
});

test("sha256() is the base64url of SHA-256", () => {
  expect(sha256("abc")).toBe("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
});
