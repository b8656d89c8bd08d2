/** What plain-runner.ts and plain-expect.ts call wrong: their suites could not fail otherwise. */
import { expect, test } from "bun:test";
import { plainExpect } from "./plain-expect.ts";

const refused: readonly [string, () => unknown][] = [
  ["toBe", () => plainExpect(1).toBe(2)],
  ["toEqual", () => plainExpect({ a: new Uint8Array([1]) }).toEqual({ a: new Uint8Array([2]) })],
  ["toEqual of more", () => plainExpect({ a: 1, b: 2 }).toEqual({ a: 1 })],
  ["toMatchObject", () => plainExpect([{ a: 1 }]).toMatchObject([{ a: 2 }])],
  ["toMatchObject of a longer list", () => plainExpect([1, 2]).toMatchObject([1])],
  ["toHaveLength", () => plainExpect([1]).toHaveLength(2)],
  ["toContain", () => plainExpect([1]).toContain(2)],
  ["toBeGreaterThan", () => plainExpect(1).toBeGreaterThan(1)],
  ["toBeGreaterThanOrEqual", () => plainExpect(1).toBeGreaterThanOrEqual(2)],
  ["toBeLessThan", () => plainExpect(1).toBeLessThan(1)],
  ["not", () => plainExpect(1).not.toBe(1)],
];
for (const [name, check] of refused) {
  test(`plainExpect() refuses what does not hold: ${name}`, () => expect(check).toThrow());
}

test("plainExpect() refuses a promise that does not reject, or with other words", async () => {
  await expect(plainExpect(Promise.resolve(1)).rejects.toThrow()).rejects.toThrow("rejects with an Error");
  await expect(plainExpect(Promise.reject(new Error("a"))).rejects.toThrow("b")).rejects.toThrow('"a" holds "b"');
});

test("plainExpect() accepts what holds", async () => {
  plainExpect({ a: [1], b: 2 }).toMatchObject({ a: [1] });
  plainExpect([new Uint8Array([1])]).toEqual([new Uint8Array([1])]);
  plainExpect(1).not.toBe(2);
  await plainExpect(Promise.reject(new Error("port taken"))).rejects.toThrow("taken");
});

test("runCollected() counts a test that fails, throws nothing, and runs the hooks around each", async () => {
  const program = `
    import { afterEach, beforeEach, describe, runCollected, test } from ${JSON.stringify(import.meta.resolve("./plain-runner.ts"))};
    const seen = [];
    describe("outer", () => {
      beforeEach(() => seen.push("before"));
      afterEach(() => seen.push("after"));
      test("good", () => seen.push("good"));
      test("bad", () => { throw new Error("wrong"); });
    });
    const { run, failed } = await runCollected();
    console.log(JSON.stringify({ run, failed, seen }));
  `;
  const { stdout } = Bun.spawnSync([process.execPath, "-e", program]);
  const lines = stdout.toString().trimEnd().split("\n");
  expect(lines[0]).toBe("ok outer > good");
  expect(lines[1]).toBe("not ok outer > bad");
  expect(JSON.parse(lines.at(-1) as string)).toEqual({
    run: 2,
    failed: 1,
    seen: ["before", "good", "after", "before", "after"],
  });
});
