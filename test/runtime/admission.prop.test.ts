import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Admission } from "../../src/runtime/admission.ts";

const rate = { perSecond: 10, burst: 5 };
const ask = (admission: Admission, times: number, now: number) =>
  Array.from({ length: times }, () => admission.ask(now));

describe("Admission", () => {
  test("lets a burst in, and tells each of the others a moment of its own, as far apart as the rate is", () => {
    expect(ask(new Admission(rate, 0), 8, 0)).toEqual([0, 0, 0, 0, 0, 100, 200, 300]);
  });

  test("lets whom it sent away in at their moments", () => {
    const admission = new Admission(rate, 0);
    const waits = ask(admission, 12, 0).filter((wait) => wait > 0);
    expect(waits.map((wait) => admission.ask(wait))).toEqual(waits.map(() => 0));
  });

  test("counts who comes in a planned slot, and turns none of them away", () => {
    const admission = new Admission(rate, 0);
    for (let i = 0; i < 7; i++) expect(admission.ask(0, true)).toBe(0);
    expect(admission.ask(0)).toBe(100);
  });

  test("sends nobody away for longer than 30 s, however many come", () => {
    const admission = new Admission(rate, 0);
    expect(Math.max(...ask(admission, 2_000, 0))).toBeLessThanOrEqual(30_000);
  });

  test("has its whole burst again after a quiet time, and no more", () => {
    const admission = new Admission(rate, 0);
    ask(admission, 5, 0);
    expect(ask(admission, 6, 60_000)).toEqual([0, 0, 0, 0, 0, 100]);
  });

  test("over any arrivals, never lets more in than its burst and its rate", () => {
    const arrivals = fc.array(fc.nat(500), { maxLength: 200 });
    fc.assert(
      fc.property(
        arrivals,
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 50 }),
        (gaps, perSecond, burst) => {
          const admission = new Admission({ perSecond, burst }, 0);
          let [now, letIn] = [0, 0];
          for (const gap of gaps) {
            now += gap;
            if (admission.ask(now) === 0) letIn++;
            expect(letIn).toBeLessThanOrEqual(burst + (now * perSecond) / 1_000 + 1e-6);
          }
        },
      ),
    );
  });
});
