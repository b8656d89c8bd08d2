/**
 * The demo's judge, judged: a loss and a duplicate that are made on purpose are counted.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { Tally } from "../../../src/ops/demo/tally.ts";

/** One publisher with so many acknowledged records, and what each subscriber saw of them. */
function tallied(acked: number, ...seen: readonly (readonly number[])[]) {
  const tally = new Tally(seen.length);
  for (let i = 0; i < acked; i++) {
    tally.publish("a");
    tally.acked("a");
  }
  for (const [subscriber, numbers] of seen.entries()) for (const n of numbers) tally.deliver(subscriber, "a", n);
  return tally.totals();
}

describe("Tally.totals()", () => {
  test("finds nothing wrong when every subscriber saw every record once", () => {
    expect(tallied(3, [1, 2, 3], [1, 2, 3])).toEqual({
      published: 3,
      acked: 3,
      delivered: 6,
      missing: 0,
      duplicated: 0,
    });
  });

  test("counts a record that one subscriber did not see, at the end and in the middle", () => {
    expect(tallied(3, [1, 2, 3], [1, 2])).toMatchObject({ delivered: 5, missing: 1, duplicated: 0 });
    expect(tallied(3, [1, 3])).toMatchObject({ delivered: 2, missing: 1, duplicated: 0 });
  });

  test("counts a record that comes again, and does not let it stand in for a lost one", () => {
    expect(tallied(3, [1, 2, 2])).toMatchObject({ delivered: 2, missing: 1, duplicated: 1 });
    expect(tallied(3, [1, 2, 3, 1, 3])).toMatchObject({ delivered: 3, missing: 0, duplicated: 2 });
  });

  test("takes a record that was skipped and comes late as delivered, once", () => {
    expect(tallied(3, [1, 3, 2])).toMatchObject({ missing: 0, duplicated: 0 });
    expect(tallied(3, [1, 3, 2, 2])).toMatchObject({ missing: 0, duplicated: 1 });
  });

  test("keeps publishers apart", () => {
    const tally = new Tally(1);
    for (const publisher of ["a", "b"]) {
      expect(tally.publish(publisher)).toBe(1);
      tally.acked(publisher);
    }
    tally.deliver(0, "a", 1);
    expect(tally.totals()).toMatchObject({ published: 2, acked: 2, delivered: 1, missing: 1 });
  });
});
