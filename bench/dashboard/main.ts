/**
 * What dashboards cost the gateway: CPU of the gateway's process with none and with twenty real tabs open on the
 * overview, under the same light load. `bun bench/dashboard/main.ts [seconds] [tabs]`
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../src/client/mod.ts";
import { launchChromium } from "../../test/support/chromium.ts";
import { serveWeir } from "../../test/support/weir-command.ts";

const [seconds = 20, tabs = 20] = process.argv.slice(2).map(Number);
const folder = mkdtempSync(join(tmpdir(), "weir-bench-dashboard-"));
const settleMs = 5_000;

const gateway = await serveWeir(["--profile", "development", "--log", `embedded:${folder}`], {
  under: ["taskset", "-c", "0"],
});
const { http: origin, child } = gateway;
const key = readFileSync(join(folder, "admin-key"), "utf8").trim();

const client = connect(gateway.url);
await client.subscribe("orders.>", { qos: 1 }, () => undefined).ready;
const publishing = setInterval(() => void client.publish("orders.eu", { total: 9 }).catch(() => undefined), 20);

/** Seconds of CPU so far; the clock ticks a hundred times a second. */
function cpuSeconds(): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function percent(): Promise<number> {
  await Bun.sleep(settleMs);
  const before = cpuSeconds();
  await Bun.sleep(seconds * 1_000);
  return ((cpuSeconds() - before) / seconds) * 100;
}

const without = await percent();
const browser = await launchChromium();
for (let n = 0; n < tabs; n++) {
  // Twenty readers: a tab that its own reader does not look at asks nothing, and a browser opens six connections.
  const page = await browser.newPage();
  await page.goto(`${origin}/dashboard`);
  await page.fill("input[name=key]", key);
  await page.click("button.primary");
  await page.waitForSelector("[data-metric=connections] dd");
}
const { eventStreams } = (await (
  await fetch(`${origin}/admin/stats`, { headers: { Authorization: `Bearer ${key}` } })
).json()) as { eventStreams: number };
const withTabs = await percent();
console.log(
  `CPU of the gateway over ${seconds} s: ${without.toFixed(2)} % without, ${withTabs.toFixed(2)} % with ${tabs} tabs ` +
    `(${eventStreams} streams of events): ${(withTabs - without).toFixed(2)} % of one core more`,
);
clearInterval(publishing);
await browser.close();
await client.close();
await gateway[Symbol.asyncDispose]();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
