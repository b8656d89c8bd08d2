/**
 * What this process costs and how late it is, as far as its runtime tells: nothing is made up. Of Bun, Deno and Node only
 * Node tells of its garbage collector's pauses (Deno names them and never reports one).
 * @module
 */
import { availableParallelism } from "node:os";
import { PerformanceObserver, performance } from "node:perf_hooks";
import { LatencyHistogram } from "./metrics.ts";
import type { ProcessProbe } from "./ports.ts";

/**
 * Our own timer: `monitorEventLoopDelay` is honest on Bun, counts the timer's own interval on Node, and on Deno answered
 * 0.02 ms for a loop that stood still for 300 ms.
 */
const sampleMs = 20;

/** Stop it, or its measuring keeps running. */
export function systemProcess(): ProcessProbe & { stop(): void } {
  const loopDelay = new LatencyHistogram();
  let dueAt = performance.now() + sampleMs;
  const timer = setInterval(() => {
    const now = performance.now();
    loopDelay.observe(Math.max(0, now - dueAt));
    dueAt = now + sampleMs;
  }, sampleMs);
  timer.unref();
  const gc = tellsPauses() ? watchPauses() : undefined;
  return {
    cores: availableParallelism(),
    cpuSeconds() {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
    residentBytes: () => process.memoryUsage.rss(),
    heap() {
      const { heapUsed, external } = process.memoryUsage();
      return { usedBytes: heapUsed, externalBytes: external };
    },
    loopDelay,
    ...(gc === undefined ? {} : { gcPauses: gc.pauses }),
    stop() {
      clearInterval(timer);
      gc?.stop();
    },
  };
}

function tellsPauses(): boolean {
  return !("Bun" in globalThis) && !("Deno" in globalThis) && PerformanceObserver.supportedEntryTypes.includes("gc");
}

function watchPauses() {
  const pauses = new LatencyHistogram();
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.observe(duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  return { pauses, stop: () => observer.disconnect() };
}
