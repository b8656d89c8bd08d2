/**
 * What the table of frames says of fields together and of single numbers, and the codecs do not check.
 *
 * Pure.
 * @module
 */
import type { ErrorFrame } from "../../protocol/frame.ts";
import { errorFrame } from "./context.ts";
import type { SessionFrame } from "./session.ts";

const wrong = (at: string, what: string, details: Partial<ErrorFrame> = {}) =>
  errorFrame("badFrameShape", `${what} at ${at}`, details);
const fromOne = "Numbers begin with 1, not 0";

/** Why the frame has no effect; `undefined`: it is well-formed. */
export function frameProblem(frame: SessionFrame): ErrorFrame | undefined {
  if ("ref" in frame && frame.ref === 0) return wrong("$.ref", fromOne);
  switch (frame.type) {
    case "publish":
      if (frame.records.length === 0) return wrong("$.records", "PUBLISH holds no record");
      if (frame.first === 0) return wrong("$.first", fromOne);
      if (frame.tx === undefined || frame.first === undefined) return undefined;
      return wrong("$.first", "Publishes of a transaction are not numbered", { tx: frame.tx });
    case "begin":
      return frame.tx === 0 ? wrong("$.tx", fromOne) : undefined;
    case "read":
      return frame.limit === 0 ? wrong("$.limit", "A page of 0 records", { ref: frame.ref }) : undefined;
    case "credit":
      return frame.filter === undefined ? wrong("$.filter", "CREDIT from a client names a filter") : undefined;
    default:
      return undefined;
  }
}
