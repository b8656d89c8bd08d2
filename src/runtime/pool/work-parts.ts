/**
 * Work for a node in messages that the bus takes: it bounds their size.
 *
 * Pure.
 * @module
 */
import { recordBytes } from "../../protocol/frame.ts";
import type { ToNode, WorkFor } from "./messages.ts";

/** Half of what a bus takes with its defaults, so that one more record of the largest size fits. */
const partBytes = 262_144;
/** Names and numbers of a record beside what it counts for. */
const overheadBytes = 128;

export function inParts(message: ToNode): readonly ToNode[] {
  if (message.type !== "work") return [message];
  const parts: WorkFor[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const work of message.works) {
    if (bytes > partBytes) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(work);
    bytes += recordBytes(work.record) + overheadBytes;
  }
  return parts.map((works) => ({ ...message, works }));
}
