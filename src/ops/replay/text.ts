/**
 * Times, lengths of time and numbers of things in words.
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

/** `1 record`, `3 records`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `1 try`, `3 tries`. */
export function tries(count: number): string {
  return counted(count, "try", "tries");
}

export function instant(time: EpochMs): string {
  return new Date(time).toISOString();
}
