/**
 * The SDK on Bun, Node with `ws`, Deno and in Chromium: one scenario each, against a gateway process that is killed in
 * the middle. A runtime that is not on this machine is skipped, with the reason in the test's title.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { Stage } from "../examples/stage.ts";
import { noChromium } from "../support/chromium.ts";
import { denoRuntime, nodeRuntime } from "../support/other-runtimes.ts";
import { type Outcome, publishes } from "./runtimes-scenario.ts";

const timeoutMs = 60_000;
const script = Bun.fileURLToPath(import.meta.resolve("./runtimes-main.ts"));

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.end());

/** Node 20 reads no TypeScript, and browsers neither. */
async function bundled(entry: string, target: "node" | "browser"): Promise<string> {
  const { outputs } = await Bun.build({ entrypoints: [join(import.meta.dir, entry)], target, format: "esm" });
  const path = join(stage.folder, `${entry}.mjs`);
  await Bun.write(path, (await outputs[0]?.text()) ?? "");
  return path;
}

async function playProcess(command: readonly string[]): Promise<Outcome> {
  const child = stage.spawn([...command, stage.gateway.url]);
  const decoder = new TextDecoder();
  let printed = "";
  let restarted: Promise<void> | undefined;
  for await (const chunk of child.stdout) {
    printed += decoder.decode(chunk, { stream: true });
    if (printed.startsWith("kill\n")) restarted ??= stage.restartGateway();
  }
  await restarted;
  expect(await child.exited).toBe(0);
  return JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "") as Outcome;
}

function expectExact(outcome: Outcome): void {
  const all = Array.from({ length: publishes }, (_, i) => i + 1);
  expect(outcome.received).toEqual(all);
  expect(outcome.published).toEqual(all);
  expect(outcome.history).toEqual(all);
  expect(outcome.disconnects).toBeGreaterThan(0);
  expect(outcome.resumes).toBe(1);
  expect(outcome.transactionRecords).toBe(3);
  expect(outcome.transactionHistory).toEqual(["a", "b", "c"]);
  expect(outcome.errors).toEqual([]);
}

function testOn(name: string, reason: string | undefined, run: () => Promise<Outcome>): void {
  const title = `the SDK on ${name} is exactly once over a killed gateway`;
  if (reason === undefined) test(title, async () => expectExact(await run()), timeoutMs);
  else {
    console.warn(`SDK on ${name} is not tested: ${reason}`);
    test.skip(`${title} (skipped: ${reason})`, () => undefined);
  }
}

const node = nodeRuntime();
const deno = denoRuntime();

testOn("Bun", undefined, () => playProcess([process.execPath, script]));

testOn("Node", "missing" in node ? node.missing : undefined, async () => {
  if ("missing" in node) throw new Error(node.missing);
  return await playProcess([node.path, await bundled("runtimes-main.ts", "node")]);
});

testOn("Deno", "missing" in deno ? deno.missing : undefined, async () => {
  if ("missing" in deno) throw new Error(deno.missing);
  return await playProcess([
    deno.path,
    "run",
    "--no-check",
    "--node-modules-dir=manual",
    "--allow-net",
    "--allow-env",
    script,
  ]);
});

testOn("Chromium", noChromium, async () => {
  const code = await Bun.file(await bundled("runtimes-scenario.ts", "browser")).text();
  const html = "<!doctype html><title>SDK</title>";
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) =>
      url.endsWith(".js")
        ? new Response(code, { headers: { "content-type": "text/javascript" } })
        : new Response(html, { headers: { "content-type": "text/html" } }),
  });
  try {
    const page = await (await stage.browser()).newPage();
    let restarted: Promise<void> | undefined;
    await page.exposeFunction("killNow", () => {
      restarted ??= stage.restartGateway();
    });
    await page.goto(server.url.href);
    const outcome = await page.evaluate(async (url) => {
      const module = "/scenario.js"; // A variable, so that only the browser follows it.
      const { play } = await import(module);
      return await play({ url, killNow: (globalThis as { killNow?: () => void }).killNow });
    }, stage.gateway.url);
    await restarted;
    return outcome as Outcome;
  } finally {
    await server.stop(true);
  }
});
