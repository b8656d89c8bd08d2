/**
 * `weir balance` beside HAProxy and nginx: CPU of the proxy for a message, a delivery, a connection.
 * `bun bench/proxy/main.ts [seconds]`. Proxies that are not installed are left out. Each is one process on core 0; backend and
 * generator share core 1.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, startPinned, whenListening } from "../process.ts";
import { type Measured, proxyScenarios } from "./scenarios.ts";
import { type ProxyTarget, proxyTargets } from "./targets.ts";

const seconds = Number(process.argv[2] ?? 5);
const feedsPerSecond = 50;

const targets = proxyTargets();
const folder = mkdtempSync(join(tmpdir(), "weir-bench-proxy-"));
const backendPort = freePort();
const backend = startPinned(1, [
  ...[process.execPath, join(import.meta.dir, "backend.ts"), String(backendPort), String(feedsPerSecond)],
]);
try {
  await whenListening(backendPort, backend);
  console.log(targets.map(({ name, version }) => `${name} ${version}`).join(", "));
  for (const scenario of proxyScenarios) {
    const rows = new Map<ProxyTarget, Measured>();
    for (const target of targets) rows.set(target, await measured(target, scenario));
    const best = Math.min(...[...rows].filter(([{ name }]) => name !== "weir").map(([, row]) => row.proxyUsEach));
    console.log(
      `\n## ${scenario.name}\n\n|  | ${scenario.unit}/s | proxy µs CPU each | proxy core % | × the better rival |`,
    );
    console.log("| --- | ---: | ---: | ---: | ---: |");
    for (const [{ name }, { perSecond, proxyUsEach, proxyBusyPercent }] of rows) {
      const ratio = Number.isFinite(best) ? (proxyUsEach / best).toFixed(2) : "";
      console.log(
        `| ${name} | ${Math.round(perSecond)} | ${proxyUsEach.toFixed(2)} | ${proxyBusyPercent} | ${ratio} |`,
      );
    }
  }
} finally {
  await backend.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** A process of its own for each scenario. */
async function measured(target: ProxyTarget, { run }: (typeof proxyScenarios)[number]): Promise<Measured> {
  const own = freePort();
  const proxy = startPinned(0, target.command({ own, backend: backendPort }, join(folder, target.name)));
  try {
    await whenListening(own, proxy);
    return await run({ port: own, pid: proxy.pid, seconds });
  } finally {
    await proxy.stop("SIGKILL");
  }
}
