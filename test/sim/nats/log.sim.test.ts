/**
 * Nodes that share a log, as tests: worlds that once failed, fresh ones, on servers with and without atomic batches, and
 * every planted bug of the log itself caught.
 */
import { describe, expect, test } from "bun:test";
import { runLogWorld } from "./log-world.ts";
import { logBugs } from "./owner-bugs.ts";

const failed = [1753, 1781, 2411, 5019, 6462, 6484];
const fresh = Array.from({ length: 40 }, (_, i) => i + 1);
const bugSeedsMax = 80;
const testMs = 60_000;

describe.each([
  { servers: "with atomic batches", batches: true, seeds: [...failed, ...fresh] },
  { servers: "without atomic batches", batches: false, seeds: [1499, 6317, ...fresh] },
])("nodes that share a log on servers $servers", ({ batches, seeds }) => {
  test.each(seeds)(
    "seed %d: what was answered is what is stored",
    (seed) => {
      expect(runLogWorld({ seed, batches }).violations).toEqual([]);
    },
    testMs,
  );
});

describe("checkers of a shared log", () => {
  test.each(Object.entries(logBugs).map(([name, bug]) => ({ name, bug })))(
    "catch the planted bug $name",
    ({ bug }) => {
      let caught = "nothing";
      for (let seed = 1; seed <= bugSeedsMax && caught === "nothing"; seed++)
        caught = runLogWorld({ seed, bug }).violations[0]?.checker ?? caught;
      expect(bug.caughtBy).toContain(caught);
    },
    testMs,
  );
});
