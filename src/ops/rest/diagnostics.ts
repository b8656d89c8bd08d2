/**
 * Tries out, on this machine and now, what a gateway needs: the log, the disk, the event loop, a socket to itself.
 * @module
 */
import { statfs } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventLog } from "../../runtime/log/event-log.ts";
import type { Clock } from "../../runtime/ports.ts";

export const diagnosticLevels = ["basic", "standard", "advanced", "deep"] as const;
export type DiagnosticLevel = (typeof diagnosticLevels)[number];

export type DiagnosticCheck = {
  readonly name: string;
  readonly status: "ok" | "slow" | "failed" | "skipped";
  readonly text: string;
  readonly measured?: Readonly<Record<string, number>>;
};
export type MissingCheck = { readonly name: string; readonly level: DiagnosticLevel };

/** What this release does not try out yet. */
export const missingChecks: readonly MissingCheck[] = [
  { name: "network interfaces", level: "basic" },
  { name: "names (DNS)", level: "basic" },
  { name: "round trip, jitter and loss to clients", level: "standard" },
  { name: "ports of other nodes", level: "standard" },
  { name: "bandwidth", level: "advanced" },
  { name: "route", level: "advanced" },
  { name: "firewall", level: "deep" },
  { name: "performance analysis", level: "deep" },
];

export type DiagnosticsParts = {
  readonly log: EventLog;
  readonly clock: Clock;
  /** Where this gateway listens. */
  readonly address: () => { readonly hostname: string; readonly port: number; readonly secure: boolean } | undefined;
  /** Where an embedded log lies. */
  readonly directory?: string | undefined;
};

const writes = 5;
const slowWriteMs = 50;
const slowReadMs = 50;
const loopSamples = 10;
const loopSleepMs = 10;
const slowLoopMs = 50;
const lowDiskBytes = 1_073_741_824;
const socketMs = 5_000;
const probeKey = "diagnostics.probe";

export async function runDiagnostics(parts: DiagnosticsParts): Promise<readonly DiagnosticCheck[]> {
  const checks: DiagnosticCheck[] = [];
  for (const [name, run] of [
    ["log round trip", readLog],
    ["log write", writeLog],
    ["disk", disk],
    ["event loop", eventLoop],
    ["loopback WebSocket", loopback],
  ] as const) {
    checks.push({ name, ...(await run(parts).catch(failed)) });
  }
  return checks;
}

type Outcome = Omit<DiagnosticCheck, "name">;
const failed = (error: unknown): Outcome => ({ status: "failed", text: String((error as Error).message ?? error) });

async function timed(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

async function readLog({ log }: DiagnosticsParts): Promise<Outcome> {
  const ms = await timed(() => log.end());
  const text = `The log said its end in ${ms.toFixed(2)} ms`;
  return { status: ms > slowReadMs ? "slow" : "ok", text, measured: { ms } };
}

/** As durable as an acknowledged publish. */
async function writeLog({ log }: DiagnosticsParts): Promise<Outcome> {
  const took: number[] = [];
  for (let i = 0; i < writes; i++) {
    took.push(
      await timed(async () => {
        const result = await log.keyValue.put(probeKey, new Uint8Array([i]));
        if (!result.ok) throw new Error(result.message);
      }),
    );
  }
  await log.keyValue.delete(probeKey);
  const [minMs, maxMs] = [Math.min(...took), Math.max(...took)];
  const text = `${writes} durable writes took ${minMs.toFixed(2)} to ${maxMs.toFixed(2)} ms (tier ${log.info().tier})`;
  return { status: maxMs > slowWriteMs ? "slow" : "ok", text, measured: { minMs, maxMs } };
}

async function disk({ directory }: DiagnosticsParts): Promise<Outcome> {
  if (directory === undefined) return { status: "skipped", text: "The log is not on a disk of this machine" };
  const { bavail, bsize, blocks } = await statfs(directory);
  const [freeBytes, totalBytes] = [bavail * bsize, blocks * bsize];
  const text = `${(freeBytes / 1e9).toFixed(1)} GB of ${(totalBytes / 1e9).toFixed(1)} GB are free at the log`;
  return { status: freeBytes < lowDiskBytes ? "slow" : "ok", text, measured: { freeBytes, totalBytes } };
}

async function eventLoop(): Promise<Outcome> {
  let maxMs = 0;
  for (let i = 0; i < loopSamples; i++) maxMs = Math.max(maxMs, (await timed(() => sleep(loopSleepMs))) - loopSleepMs);
  const text = `Of ${loopSamples} timers the latest came ${maxMs.toFixed(2)} ms late`;
  return { status: maxMs > slowLoopMs ? "slow" : "ok", text, measured: { maxMs } };
}

async function loopback({ address }: DiagnosticsParts): Promise<Outcome> {
  const at = address();
  if (at === undefined) return { status: "skipped", text: "The gateway does not listen yet" };
  if (!("WebSocket" in globalThis))
    return { status: "skipped", text: "This runtime brings no WebSocket to try it with" };
  if (at.secure) return { status: "skipped", text: "The certificate is of a name, and this would ask an address" };
  const host = at.hostname === "0.0.0.0" ? "127.0.0.1" : at.hostname === "::" ? "[::1]" : at.hostname;
  const socket = new WebSocket(`ws://${host}:${at.port}/`, ["weir.v1.json"]);
  const ms = await timed(
    () =>
      new Promise<void>((resolve, reject) => {
        socket.addEventListener("open", () => resolve());
        socket.addEventListener("error", () => reject(new Error(`No WebSocket opened at ws://${host}:${at.port}/`)));
        setTimeout(() => reject(new Error(`No WebSocket opened within ${socketMs} ms`)), socketMs).unref();
      }),
  );
  socket.close();
  return {
    status: ms > slowReadMs ? "slow" : "ok",
    text: `A WebSocket opened in ${ms.toFixed(2)} ms`,
    measured: { ms },
  };
}
