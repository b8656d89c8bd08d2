/**
 * The dashboard in a real Chromium, over a real gateway with real clients: it loads, moves while one looks, goes through
 * a session's past, and shows a reader no button that the reader's role does not allow. Screenshots are kept in
 * artefacts/dashboard, to be looked at.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { type Client, connect } from "../../../src/client/mod.ts";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { launchChromium, noChromium } from "../../support/chromium.ts";
import { type ServingGateway, serveWeir } from "../../support/weir-command.ts";

const root = join(import.meta.dir, "../../..");
const shots = join(root, "artefacts/dashboard");
const waitMs = 30_000;
const keys = { viewer: "key-of-vera", admin: "key-of-ada" } as const;

type Reader = { readonly page: Page; readonly complaints: string[] };

describe.skipIf(noChromium !== undefined)(`dashboard ${noChromium ?? ""}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-dashboard-"));
  let gateway: ServingGateway;
  let browser: Browser;
  let client: Client;
  let origin = "";
  let publishing: ReturnType<typeof setInterval>;

  beforeAll(async () => {
    mkdirSync(shots, { recursive: true });
    const apiKeys = `vera:viewer:${keyDigest(keys.viewer)},ada:admin:${keyDigest(keys.admin)}`;
    gateway = await serveWeir(["--log", `embedded:${folder}`], { env: { WEIR_SECURITY__API_KEYS: apiKeys } });
    origin = gateway.http;
    client = connect(gateway.url);
    const orders = client.subscribe("orders.>", { qos: 1 }, () => undefined);
    await orders.ready;
    let total = 0;
    publishing = setInterval(() => void client.publish("orders.eu.42", { total: total++ }).catch(() => undefined), 50);
    browser = await launchChromium();
  }, 90_000);

  afterAll(async () => {
    clearInterval(publishing);
    await browser?.close();
    await client?.close();
    await gateway?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  async function read(
    as: keyof typeof keys,
    view: string,
    options: Parameters<Browser["newPage"]>[0] = {},
  ): Promise<Reader> {
    const page = await browser.newPage(options);
    page.setDefaultTimeout(waitMs);
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(`${origin}/dashboard#/${view}`);
    await page.fill("input[name=key]", keys[as]);
    await page.click("button.primary");
    await page.waitForSelector("nav");
    return { page, complaints };
  }

  const shoot = (page: Page, name: string) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
  const sessionId = async (): Promise<string> => {
    const headers = { Authorization: `Bearer ${keys.viewer}` };
    const { items } = (await (await fetch(`${origin}/api/v1/sessions`, { headers })).json()) as {
      items: { id: string }[];
    };
    return items[0]?.id ?? "";
  };

  test("moves while one looks: figures come every second without a reload, and nothing complains", async () => {
    const { page, complaints } = await read("viewer", "overview");
    const published = () => page.textContent("[data-metric='records.published'] dd");
    await page.waitForSelector("[data-metric='records.published'] dd");
    const seen = new Set<string | null>();
    const end = Date.now() + waitMs;
    while (seen.size < 3 && Date.now() < end) seen.add(await published());
    expect(seen.size).toBeGreaterThanOrEqual(3);
    expect(await page.locator(".chart canvas").count()).toBeGreaterThan(5);
    await shoot(page, "overview");
    expect(complaints).toEqual([]);
    expect(page.url()).not.toContain(keys.viewer);
    await page.close();
  }, 60_000);

  test("works on a phone in the dark: no view is wider than the screen", async () => {
    const { page, complaints } = await read("admin", "overview", {
      viewport: { width: 360, height: 740 },
      colorScheme: "dark",
    });
    for (const view of ["overview", "sessions", "topics", "log", "nodes", "configuration", "audit"]) {
      await page.goto(`${origin}/dashboard#/${view}`);
      await page.waitForSelector("h1");
      await page.waitForLoadState("networkidle").catch(() => undefined);
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(wide, view).toBeLessThanOrEqual(0);
      await shoot(page, `phone-${view}`);
    }
    expect(complaints).toEqual([]);
    await page.close();
  }, 120_000);

  test("goes through a session's past: slider, state, statechart and causes follow", async () => {
    const id = await sessionId();
    const { page, complaints } = await read("viewer", `sessions/${id}`);
    await page.waitForSelector("input[type=range]");
    await page.waitForSelector("svg.statechart .current");
    expect(await page.textContent("svg.statechart .current text")).toBe("attached");
    await page.locator("input[type=range]").focus();
    await page.keyboard.press("Home");
    await page.waitForSelector("text=State after event 1");
    await page.waitForFunction(
      () => document.querySelector("svg.statechart .current text")?.textContent === "detached",
    );
    const first = await page.textContent("section:has(> h2:has-text('State after event 1')) pre");
    expect(JSON.parse(first ?? "{}")).toMatchObject({ status: "open", subscriptions: [] });
    await page.keyboard.press("End");
    await page.waitForFunction(
      () => document.querySelector("svg.statechart .current text")?.textContent === "attached",
    );
    const timeline = await page.textContent("ol.timeline");
    expect(timeline).toContain("Subscribed orders.> with QoS 1");
    await shoot(page, "session");
    expect(complaints).toEqual([]);
    await page.close();
  }, 60_000);

  test("shows a record decoded, and who has it", async () => {
    const { page, complaints } = await read("viewer", "log?filter=orders.eu.42");
    await page.click("table button");
    await page.waitForSelector("text=Who has it");
    await page.waitForSelector("td:has-text('orders.>')");
    expect(await page.textContent("section:has(> h2:has-text('Record ')) pre")).toContain('"total": 0');
    await shoot(page, "log");
    expect(complaints).toEqual([]);
    await page.close();
  }, 60_000);

  test("says that an address is none, and offers nothing to do with a session that there is not", async () => {
    const { page } = await read("admin", "nonsense");
    await page.waitForSelector("main [role='alert']");
    expect(await page.textContent("main [role='alert']")).toContain("There is no view nonsense");
    await page.goto(`${origin}/dashboard#/sessions/gone`);
    await page.waitForSelector("main .problem");
    expect(await page.locator("main button:has-text('Expire')").count()).toBe(0);
    await page.goto(`${origin}/dashboard#/sessions/${await sessionId()}`);
    await page.waitForSelector("main button:has-text('Expire')");
  });

  test("shows a viewer no button that a viewer may not press, and an admin all of them", async () => {
    const id = await sessionId();
    const buttons = async (as: keyof typeof keys): Promise<string[]> => {
      const { page, complaints } = await read(as, `sessions/${id}`);
      await page.waitForSelector("input[type=range]");
      const found = await page.locator("nav a, button.danger").allTextContents();
      await page.goto(`${origin}/dashboard#/nodes`);
      await page.waitForSelector("text=Fanned out up to");
      found.push(...(await page.locator("button.danger").allTextContents()));
      expect(complaints).toEqual([]);
      await page.close();
      return found;
    };
    expect(await buttons("viewer")).toEqual(["Overview", "Sessions", "Topics", "Log", "Nodes"]);
    const all = ["Overview", "Sessions", "Topics", "Log", "Nodes", "Configuration", "Audit", "Expire", "Drain"];
    expect(await buttons("admin")).toEqual(all);
  }, 60_000);

  test("changes a setting for an admin, who finds it in the audit", async () => {
    const { page, complaints } = await read("admin", "configuration?find=sessionsMax");
    page.on("dialog", (dialog) => void dialog.accept());
    await page.click("td button:has-text('Change')");
    await page.fill("form input", "77777");
    await page.click("form button.primary");
    await page.waitForSelector("td:has-text('77777')");
    await shoot(page, "configuration");
    await page.goto(`${origin}/dashboard#/audit`);
    await page.waitForSelector("td:has-text('config.change')");
    await shoot(page, "audit");
    expect(complaints).toEqual([]);
    await page.close();
  }, 60_000);
});
