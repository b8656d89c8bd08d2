import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { covers, filterProblem, isReserved, isWildcard, matches, topicProblem } from "../../src/protocol/topic.ts";
import { TopicTrie } from "../../src/protocol/topic-trie.ts";
import { filters, topics } from "../support/arbitraries.ts";

/** The definition, token by token: what the fast walk must agree with. */
function matchesNaively(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[*>]/u.test(filter)) return false;
  const pattern = filter
    .split(".")
    .map((token) => (token === "*" ? "[^.]+" : token === ">" ? ".+" : token.replace(/[^a-z0-9]/giu, "\\$&")));
  return new RegExp(`^${pattern.join("\\.")}$`, "u").test(topic);
}

describe("topics and filters", () => {
  test("matches() agrees with the definition for any filter and topic", () => {
    fc.assert(
      fc.property(filters, topics, (filter, topic) =>
        expect(matches(filter, topic)).toBe(matchesNaively(filter, topic)),
      ),
      { numRuns: 3_000 },
    );
  });

  test("every generated topic and filter is accepted, and a topic is a filter", () => {
    fc.assert(
      fc.property(filters, topics, (filter, topic) => {
        expect([filterProblem(filter), filterProblem(topic), topicProblem(topic)]).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
        expect(topicProblem(filter) === undefined).toBe(!isWildcard(filter));
      }),
    );
  });

  test("covers() holds only where everything that inner matches is matched by outer", () => {
    fc.assert(
      fc.property(filters, filters, topics, (outer, inner, topic) => {
        if (covers(outer, inner) && matches(inner, topic)) expect(covers(outer, topic)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });

  test("covers() refuses only where a topic tells them apart", () => {
    fc.assert(
      fc.property(filters, filters, (outer, inner) => {
        if (covers(outer, inner)) return;
        // Tokens that no filter names stand for every wildcard: one witness of `inner` must escape `outer`.
        const short = inner.replaceAll("*", "new").replace(/>$/u, "new");
        expect(matches(outer, short) && matches(outer, `${short}${inner.endsWith(">") ? ".new" : ""}`)).toBe(false);
      }),
      { numRuns: 5_000 },
    );
  });

  test("a wildcard in the first token leaves reserved topics alone, a claim does not", () => {
    const reserved = "$dead.a";
    expect([">", "*.a", "$dead.>", "$dead.*", reserved].map((filter) => matches(filter, reserved))).toEqual([
      false,
      false,
      true,
      true,
      true,
    ]);
    expect([">", "*.a"].map((claim) => covers(claim, reserved))).toEqual([true, true]);
    const trie = new TopicTrie<string>();
    for (const filter of [">", "*.a", "$dead.>"]) trie.add(filter, filter);
    expect(trie.match(reserved)).toEqual(["$dead.>"]);
  });

  test.each([
    [">", "a", true],
    ["a.>", "a", false],
    ["a.>", "a.b.c", true],
    ["*", "a.b", false],
    ["*.b", "a.b", true],
    ["a.*.c", "a.b", false],
    ["a", "ab", false],
    ["ab", "a", false],
  ])("matches(%p, %p) is %p", (filter, topic, expected) => {
    expect(matches(filter, topic)).toBe(expected);
  });

  test.each([
    [">", "*", true],
    ["*", ">", false],
    ["a.*", "a.>", false],
    ["a.>", "a.*.c", true],
    ["a.>", "a.>", true],
    ["a.b", "a.*", false],
    ["*.>", ">", false],
  ])("covers(%p, %p) is %p", (outer, inner, expected) => {
    expect(covers(outer, inner)).toBe(expected);
  });

  test.each([
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\u0000",
    "a\u00a0b",
    "\ud800",
    "a".repeat(257),
    "é".repeat(129),
    Array(17).fill("a").join("."),
  ])("topicProblem(%j) and filterProblem() name what is wrong", (text) => {
    expect(topicProblem(text)).toMatch(/^Topic /u);
    expect(filterProblem(text)).toMatch(/^Filter /u);
  });

  test.each(["a*", "*a.b", ">.a", "a.>.b", "a>", "**", ">>"])(
    "filterProblem(%p) refuses a misplaced wildcard",
    (text) => {
      expect(filterProblem(text)).toMatch(/^Filter "/u);
    },
  );

  test("isReserved() is true for topics of the gateway only", () => {
    expect([isReserved("$dead.a"), isReserved("a.$b"), isReserved("a")]).toEqual([true, false, false]);
  });
});

describe("TopicTrie", () => {
  test("match() finds the values of exactly the matching filters, each once, after any adds and removes", () => {
    const step = fc.record({ remove: fc.boolean(), filter: filters, value: fc.nat({ max: 5 }) });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.array(topics, { minLength: 1, maxLength: 5 }),
        (steps, asked) => {
          const trie = new TopicTrie<number>();
          const held = new Map<string, { filter: string; value: number }>();
          for (const { remove, filter, value } of steps) {
            const key = `${filter} ${value}`;
            if (remove) expect(trie.remove(filter, value)).toBe(held.delete(key));
            else {
              expect(trie.add(filter, value)).toBe(!held.has(key));
              held.set(key, { filter, value });
            }
          }
          expect(trie.size).toBe(held.size);
          for (const topic of asked) {
            const expected = new Set(
              [...held.values()].filter((pair) => matches(pair.filter, topic)).map((pair) => pair.value),
            );
            expect(trie.match(topic).sort()).toEqual([...expected].sort());
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
