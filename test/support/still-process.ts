/**
 * A process that costs nothing, for tests of what only reads it.
 * @module
 */
import { LatencyHistogram } from "../../src/runtime/metrics.ts";
import type { ProcessProbe } from "../../src/runtime/ports.ts";

export function stillProcess(known: Partial<ProcessProbe> = {}): ProcessProbe {
  return {
    cores: 1,
    residentBytes: () => 0,
    cpuSeconds: () => 0,
    heap: () => ({ usedBytes: 0, externalBytes: 0 }),
    loopDelay: new LatencyHistogram(),
    ...known,
  };
}
