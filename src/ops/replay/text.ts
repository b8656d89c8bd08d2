/**
 * Times and lengths of time in words.
 *
 * Pure.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

/** As `340 ms`, `1.5 s`, `5 min`, `2 h`. */
export function milliseconds(ms: number): string {
  for (const [unit, size] of units) if (ms >= size) return `${Number((ms / size).toFixed(1))} ${unit}`;
  return `${Math.round(ms)} ms`;
}

/** `1 try`, `3 tries`. */
export function tries(count: number): string {
  return count === 1 ? "1 try" : `${count} tries`;
}

export function instant(time: EpochMs): string {
  return new Date(time).toISOString();
}
