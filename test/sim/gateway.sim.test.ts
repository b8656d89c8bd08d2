/**
 * The simulator as tests: seeds that once failed, fresh seeds, its own determinism, and every planted bug caught.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { bugs } from "./bugs.ts";
import { natsBugs } from "./nats/bugs.ts";
import natsSeeds from "./nats/seeds.json";
import seeds from "./seeds.json";
import { runWorld } from "./world.ts";

const freshSeeds = Array.from({ length: 50 }, (_, i) => i + 1);
const natsFreshSeeds = Array.from({ length: 15 }, (_, i) => i + 1);
/** A bug may need luck to show; it must show in one of so many seeds. */
const bugSeedsMax = 40;
const testMs = 60_000;

describe("gateway and SDK under faults", () => {
  test.each([...new Set([...seeds, ...freshSeeds])])(
    "seed %d: after healing, every promise was kept",
    (seed) => {
      expect(runWorld({ seed }).violations).toEqual([]);
    },
    testMs,
  );
});

describe("gateways that share a log on NATS, and SDK, under faults", () => {
  test.each([...new Set([...natsSeeds, ...natsFreshSeeds])])(
    "seed %d: after healing, every promise was kept",
    (seed) => {
      expect(runWorld({ seed, nats: true }).violations).toEqual([]);
    },
    testMs,
  );
});

describe("runWorld()", () => {
  test(
    "gives the same trace for the same seed, in this process and in another one",
    async () => {
      const script =
        'import { runWorld } from "./world.ts"; console.log([3, 4].map((seed) => runWorld({ seed }).hash).join());';
      const other = Bun.spawn([process.execPath, "-e", script], { cwd: import.meta.dir, stdout: "pipe" });
      const here = [3, 4].map((seed) => runWorld({ seed, readable: true }).hash);
      expect(here).toEqual([3, 4].map((seed) => runWorld({ seed }).hash));
      expect((await new Response(other.stdout).text()).trim()).toBe(here.join());
    },
    testMs,
  );

  test("gives other traces for other seeds, and something happens in them", () => {
    const outcomes = [5, 6, 7].map((seed) => runWorld({ seed }));
    expect(new Set(outcomes.map(({ hash }) => hash)).size).toBe(3);
    for (const { records, processed } of outcomes) expect(Math.min(records, processed)).toBeGreaterThan(5);
  });
});

describe("checkers", () => {
  test.each([
    ...Object.entries(bugs).map(([name, bug]) => ({ name, bug, nats: false })),
    ...Object.entries(natsBugs).map(([name, bug]) => ({ name, bug, nats: true })),
  ])(
    "catch the planted bug $name",
    ({ bug, nats }) => {
      const caught: string[] = [];
      const { firstSeed = 1 } = bug;
      for (let seed = firstSeed; seed < firstSeed + bugSeedsMax && caught.length === 0; seed++) {
        caught.push(...runWorld({ seed, bug, nats }).violations.map(({ checker }) => checker));
      }
      expect(bug.caughtBy).toContain(caught[0] ?? "nothing");
    },
    testMs,
  );
});
