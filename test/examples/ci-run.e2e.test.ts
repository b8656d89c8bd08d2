/**
 * The ci-run example: a real process's output over HTTP, shown by a bare WebSocket in a real browser, over reloads and
 * a killed gateway.
 */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { noChromium } from "../support/chromium.ts";
import { Stage, until } from "./stage.ts";

const lines = 400;
const printer = `
  let i = 0;
  const timer = setInterval(() => {
    for (let n = 0; n < 4 && i < ${lines}; n++) console.log("line " + ++i);
    if (i === ${lines}) clearInterval(timer);
  }, 20);
`;
const wanted = Array.from({ length: lines }, (_, i) => `line ${i + 1}`);

let stage: Stage | undefined;
afterEach(async () => {
  await stage?.end();
});
if (noChromium !== undefined) console.warn(`ci-run example is skipped: ${noChromium}`);

const shown = (page: Page): Promise<string[]> => page.locator("#log li").allTextContents();

test.skipIf(noChromium !== undefined)(
  "ci-run: the page shows every line once and in order, over reloads and a killed gateway",
  async () => {
    stage = await Stage.open();
    const problems: string[] = [];
    const page = await (await stage.browser()).newPage();
    page.on("pageerror", (error) => problems.push(error.message));
    await page.goto(`${await stage.page("ci-run/server.ts")}/?id=7`);
    const env = { WEIR_ADMIN_KEY_FILE: join(stage.folder, "log/admin-key") };
    const command = `'${process.execPath}' -e '${printer}'`;
    const run = stage.run("ci-run/run.ts", ["7", command, "echo a problem >&2; exit 3"], env);
    for (const progress of [20, 120, 250]) {
      await until(
        `${progress} lines`,
        () => shown(page),
        (seen) => seen.length >= progress,
      );
      if (progress === 120) await stage.restartGateway();
      else await page.reload();
    }
    expect(await run.exited).toBe(1);
    const status = () => page.textContent("#status");
    await until("the end", status, (seen) => seen === "failed");
    expect(await shown(page)).toEqual([...wanted, "a problem"]);
    expect(await page.getAttribute("#progress", "value")).toBe("2");
    await page.reload();
    expect(await shown(page)).toEqual([...wanted, "a problem"]);
    expect(problems).toEqual([]);
  },
  90_000,
);
