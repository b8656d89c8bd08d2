/**
 * Which limits can change while clients are connected. Those that cannot: what clients were told in WELCOME and
 * others rely on (a record that one may send must fit a frame that all can take), and what the port was opened with.
 *
 * Pure.
 * @module
 */
import { assertLimits, type Limits } from "../protocol/limits.ts";

/** They need a restart. */
export const fixedLimits: ReadonlySet<keyof Limits> = new Set([
  "frameBytesMax",
  "payloadBytesMax",
  "headersBytesMax",
  "headersPerRecordMax",
  "topicBytesMax",
  "topicTokensMax",
  "textBytesMax",
  "deliverRecordsMax",
  "deliverBytesMax",
]);

/** The limits in force from now on. Throws where they contradict each other, or one changes that cannot. */
export function changedLimits(current: Limits, changes: Partial<Limits>): Limits {
  const next: Limits = { ...current, ...changes };
  assertLimits(next);
  for (const name of fixedLimits) {
    if (next[name] === current[name]) continue;
    throw new TypeError(`${name} cannot change from ${current[name]} to ${next[name]} without a restart`);
  }
  return next;
}
