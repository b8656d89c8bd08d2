/**
 * The live-logs example: a process prints, its lines are shipped, and the tail is killed again and again.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { topic } from "../../examples/live-logs/place.ts";
import { Stage, until } from "./stage.ts";

const lines = 600;
const printer = `
  let i = 0;
  const timer = setInterval(() => {
    for (let n = 0; n < 5 && i < ${lines}; n++) console.log("line " + ++i + " of the build");
    if (i === ${lines}) clearInterval(timer);
  }, 15);
`;
const wanted = Array.from({ length: lines }, (_, i) => `line ${i + 1} of the build`);

let stage: Stage;
afterEach(() => stage.end());

test("live-logs: a tail killed with -9 goes on with the next line, also over a killed gateway", async () => {
  stage = await Stage.open();
  const state = { LOG_STATE: join(stage.folder, "state") };
  const file = join(state.LOG_STATE, "tail.jsonl");
  const tailed = (): string[] => {
    if (!existsSync(file)) return [];
    // What stands after the last end of line is not written yet.
    const written = readFileSync(file, "utf8").split("\n").slice(0, -1);
    return written.map((entry) => (JSON.parse(entry) as { line: string }).line);
  };
  let tail = stage.run("live-logs/tail.ts", [], state);
  const ship = stage.run("live-logs/ship.ts", [process.execPath, "-e", printer], state);
  for (const progress of [1, 120, 260, 400]) {
    await until(`${progress} lines`, tailed, (seen) => seen.length >= progress);
    await stage.kill(tail);
    if (progress === 260) await stage.restartGateway();
    tail = stage.run("live-logs/tail.ts", [], state);
  }
  expect(await ship.exited).toBe(0);
  expect(await until(`${lines} lines`, tailed, (seen) => seen.length >= lines)).toEqual(wanted);
  const stored: string[] = [];
  for await (const { records } of stage.client().history(topic))
    stored.push(...records.map((record) => record.json<string>()));
  expect(stored).toEqual(wanted);
}, 60_000);

test("live-logs: ship says what is missing when it is given no command", async () => {
  stage = await Stage.open();
  expect(await stage.run("live-logs/ship.ts").exited).toBe(2);
}, 30_000);
