/**
 * The chat example in a real browser: two tabs, a reload, a closed tab that comes back, a killed gateway.
 */
import { afterEach, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import { noChromium } from "../support/chromium.ts";
import { Stage, until } from "./stage.ts";

let stage: Stage | undefined;
afterEach(async () => {
  await stage?.end();
});
if (noChromium !== undefined) console.warn(`chat example is skipped: ${noChromium}`);

const said = (page: Page): Promise<string[]> => page.locator("#said li").allTextContents();

async function untilSaid(page: Page, wanted: readonly string[]): Promise<void> {
  await until(
    JSON.stringify(wanted),
    () => said(page),
    (seen) => Bun.deepEquals(seen, wanted),
  );
}

async function say(page: Page, from: string, text: string): Promise<void> {
  await page.fill("[name=from]", from);
  await page.fill("[name=text]", text);
  await page.click("button");
}

test.skipIf(noChromium !== undefined)(
  "chat: a tab gets history, live lines, and after a reload what it missed, once",
  async () => {
    stage = await Stage.open();
    const address = await stage.page("chat/server.ts");
    const context = await (await stage.browser()).newContext();
    const ada = await context.newPage();
    await ada.goto(address);
    await say(ada, "Ada", "one");
    await say(ada, "Ada", "two");
    await untilSaid(ada, ["Ada: one", "Ada: two"]);

    const bob = await context.newPage();
    await bob.goto(address);
    await untilSaid(bob, ["Ada: one", "Ada: two"]);
    await say(bob, "Bob", "three");
    await untilSaid(ada, ["Ada: one", "Ada: two", "Bob: three"]);
    await untilSaid(bob, ["Ada: one", "Ada: two", "Bob: three"]);

    await bob.goto("about:blank");
    await say(ada, "Ada", "four");
    await untilSaid(ada, ["Ada: one", "Ada: two", "Bob: three", "Ada: four"]);
    await bob.goto(address);
    await untilSaid(bob, ["Ada: one", "Ada: two", "Bob: three", "New since you were here", "Ada: four"]);
    await bob.reload();
    await untilSaid(bob, ["Ada: one", "Ada: two", "Bob: three", "Ada: four"]);
  },
  60_000,
);

test.skipIf(noChromium !== undefined)(
  "chat: a line typed while the gateway is dead survives a reload and is published once",
  async () => {
    stage = await Stage.open();
    const page = await (await stage.browser()).newPage();
    await page.goto(await stage.page("chat/server.ts"));
    await say(page, "Ada", "before");
    await untilSaid(page, ["Ada: before"]);
    await stage.gateway.kill();
    await until(
      "a lost connection",
      () => page.textContent("#status"),
      (status) => status !== "connected",
    );
    await say(page, "Ada", "meanwhile");
    await until(
      "the outbox",
      () => page.evaluate(storedPublishes),
      (count) => count === 1,
    );
    await page.reload();
    await stage.gateway.start();
    await untilSaid(page, ["Ada: before", "Ada: meanwhile"]);
    const { records } = await stage.client().history("chat.lobby");
    expect(records.map((record) => record.json<{ text: string }>().text)).toEqual(["before", "meanwhile"]);
  },
  60_000,
);

/** Runs in the page: how many publishes its store holds. */
async function storedPublishes(): Promise<number> {
  const [{ name = "" } = {}] = await indexedDB.databases();
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const keys = await new Promise<IDBValidKey[]>((resolve, reject) => {
    const request = database.transaction("weir").objectStore("weir").getAllKeys();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  database.close();
  return keys.filter((key) => String(key).startsWith("publish/")).length;
}
