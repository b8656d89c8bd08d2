/**
 * REST over a gateway that holds many sessions: `bun bench/rest/main.ts [10000]`. Each session is attached
 * and has two subscriptions. Prints how long each page of the list took, as its client saw it.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/ops/demo/gateway-process.ts";

const sessions = Number(process.argv[2] ?? 10_000);
const atOnce = 200;
const readyMs = 20_000;
const directory = mkdtempSync(join(tmpdir(), "weir-bench-rest-"));
const port = await freePort();
const main = join(import.meta.dir, "../../src/ops/cli/main.ts");
const options = ["--port", String(port), "--log", `embedded:${directory}`, "--log-level", "error"];
const gateway = Bun.spawn([process.execPath, main, "serve", ...options], { stdout: "ignore", stderr: "inherit" });

type Page = { readonly items: readonly { readonly subscriptions: readonly unknown[] }[]; readonly next?: string };
type Walk = { readonly took: readonly number[]; readonly listed: number; readonly bytes: number };

try {
  await ready();
  const sockets: WebSocket[] = [];
  while (sockets.length < sessions)
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, sessions - sockets.length) }, open))));
  console.log("| page | pages | sessions | p50 ms | p99 ms | max ms | KiB a page |\n|---|---|---|---|---|---|---|");
  for (const max of [100, 500]) {
    await walk(max); // warm
    const { took, listed, bytes } = await walk(max);
    const sorted = took.toSorted((a, b) => a - b);
    const at = (share: number): string => (sorted[Math.ceil(share * sorted.length) - 1] ?? 0).toFixed(1);
    const size = (bytes / took.length / 1_024).toFixed(0);
    console.log(`| ${max} | ${took.length} | ${listed} | ${at(0.5)} | ${at(0.99)} | ${at(1)} | ${size} |`);
    if (listed !== sessions) throw new Error(`${listed} sessions were listed, ${sessions} are open`);
  }
  for (const socket of sockets) socket.close();
} finally {
  gateway.kill("SIGTERM");
  await gateway.exited;
  rmSync(directory, { recursive: true, force: true });
}

async function ready(): Promise<void> {
  const end = performance.now() + readyMs;
  while ((await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined))?.ok !== true) {
    if (performance.now() > end) throw new Error(`The gateway was not ready within ${readyMs} ms`);
    await Bun.sleep(20);
  }
}

/** Resolves when both subscriptions stand. */
function open(): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, ["weir.v1.json"]);
    let subscribed = 0;
    socket.addEventListener("open", () => socket.send('{"type":"hello"}'));
    socket.addEventListener("error", () => reject(new Error("A socket did not open")));
    socket.addEventListener("message", ({ data }) => {
      const { type } = JSON.parse(data as string) as { type: string };
      if (type === "welcome")
        for (const [ref, filter] of ["orders.>", "prices.*"].entries())
          socket.send(JSON.stringify({ type: "subscribe", ref: ref + 1, filter }));
      if (type === "subscribed" && ++subscribed === 2) resolve(socket);
    });
  });
}

async function walk(max: number): Promise<Walk> {
  const key = readFileSync(join(directory, "admin-key"), "utf8").trim();
  const took: number[] = [];
  let listed = 0;
  let bytes = 0;
  for (let cursor = ""; ; ) {
    const began = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/sessions?max=${max}&cursor=${cursor}`, {
      headers: { Authorization: `Bearer ${key}` },
    });
    const text = await response.text();
    took.push(performance.now() - began);
    bytes += text.length;
    const { items, next } = JSON.parse(text) as Page;
    listed += items.length;
    if (items.some(({ subscriptions }) => subscriptions.length !== 2))
      throw new Error("A session lacks a subscription");
    if (next === undefined) return { took, listed, bytes };
    cursor = next;
  }
}
