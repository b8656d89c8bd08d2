/**
 * Figures and times for people.
 * @module
 */

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function count(value: number): string {
  return grouped.format(value);
}

const byteUnits = ["B", "KB", "MB", "GB", "TB"] as const;

export function bytes(value: number): string {
  let unit = 0;
  let rest = value;
  while (Math.abs(rest) >= 1_024 && unit < byteUnits.length - 1) {
    rest /= 1_024;
    unit++;
  }
  return `${grouped.format(rest)} ${byteUnits[unit]}`;
}

const spans = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
] as const;

export function span(ms: number): string {
  for (const [unit, length] of spans) if (ms >= length) return `${grouped.format(ms / length)} ${unit}`;
  return `${grouped.format(ms)} ms`;
}

/** A figure in the unit that its metric names. */
export function figure(value: number, unit: string): string {
  if (unit === "bytes") return bytes(value);
  if (unit === "bytes/s") return `${bytes(value)}/s`;
  if (unit === "s") return span(value * 1_000);
  if (unit === "ms") return span(value);
  if (unit === "cores") return `${grouped.format(value * 100)} %`;
  return unit.endsWith("/s") ? `${grouped.format(value)}/s` : grouped.format(value);
}

export function clock(time: number): string {
  return new Date(time).toLocaleTimeString(undefined, { hour12: false });
}

export function instant(time: number): string {
  const date = new Date(time);
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${date.toLocaleDateString()} ${date.toLocaleTimeString(undefined, { hour12: false })}.${ms}`;
}

export function ago(time: number): string {
  return `${span(Math.max(0, Date.now() - time))} ago`;
}

/** Any value on one line; what is not there is a dash. */
export function text(value: unknown): string {
  if (value === undefined || value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
