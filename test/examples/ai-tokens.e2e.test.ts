/**
 * The token stream example in a real browser: reloads and a killed gateway in the middle of an answer.
 */
import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { markovTokens } from "../../examples/ai-tokens/markov.ts";
import { noChromium } from "../support/chromium.ts";
import { Stage, until } from "./stage.ts";

const tokens = 400;
const prompt = "What does the weir remember?";
let stage: Stage | undefined;
afterEach(async () => {
  await stage?.end();
});
if (noChromium !== undefined) console.warn(`ai-tokens example is skipped: ${noChromium}`);

async function answerTo(asked: string, count: number): Promise<string> {
  const corpus = await Bun.file(join(import.meta.dir, "../../examples/ai-tokens/corpus.txt")).text();
  return [...markovTokens(corpus, asked, count)].join("");
}

test("markovTokens() gives the same tokens for the same text and prompt, and others for another prompt", async () => {
  expect(await answerTo(prompt, tokens)).toBe(await answerTo(prompt, tokens));
  expect(await answerTo(prompt, tokens)).not.toBe(await answerTo("Why?", tokens));
  expect((await answerTo(prompt, tokens)).split(" ")).toHaveLength(tokens);
});

test.skipIf(noChromium !== undefined)(
  "ai-tokens: an answer goes on over reloads and a killed gateway, with no token missing or twice",
  async () => {
    stage = await Stage.open();
    const address = await stage.page("ai-tokens/server.ts", { TOKENS: String(tokens), TOKENS_PER_SECOND: "50" });
    const page = await (await stage.browser()).newPage();
    await page.goto(address);
    await page.fill("[name=prompt]", prompt);
    await page.click("button");
    const shown = async (): Promise<string> => (await page.textContent("#answer")) ?? "";
    const wanted = await answerTo(prompt, tokens);
    for (const progress of [5, 30, 60, 90]) {
      const seen = await until(`${progress} tokens`, shown, (text) => text.split(" ").length >= progress);
      expect(wanted).toStartWith(seen);
      expect(seen.length).toBeLessThan(wanted.length); // Still in the middle of the answer.
      if (progress === 60) await stage.restartGateway();
      await page.reload();
    }
    await page.waitForSelector("#answer[data-state=complete]");
    expect(await shown()).toBe(wanted);
    await page.reload();
    expect(await shown()).toBe(wanted);
  },
  60_000,
);
