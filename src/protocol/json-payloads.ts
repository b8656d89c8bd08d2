/**
 * Lifts the JSON values of `payload` and `data` fields out of a frame's text before it is parsed, so that a payload stays
 * the very bytes that the publisher wrote: numbers, spaces and doubled names included.
 *
 * The frame without payloads may nest `frameDepthMax` deep. A payload's own nesting counts apart, up to 64: it is
 * the user's data, opaque to us, and still must not exhaust the stack of whoever parses it.
 *
 * Pure. One pass, no recursion.
 * @module
 */

import type { DecodeLimits } from "./frame-reader.ts";
import { FrameRefusal } from "./frame-reader.ts";

const payloadDepthMax = 64;

/** Names of the fields that hold bytes. */
export const liftedNames: ReadonlySet<unknown> = new Set(["payload", "data"]);

export type Lifted = {
  /** The frame's text, with the place in `payloads` where each payload was. */
  readonly skeleton: string;
  /** JSON text of each payload, not yet known to be valid. */
  readonly payloads: readonly string[];
};

/** Throws `FrameRefusal` for nesting and lists beyond the limits. What is no JSON stays so: the parser says it. */
export function liftPayloads(text: string, limits: Pick<DecodeLimits, "frameDepthMax" | "listItemsMax">): Lifted {
  const payloads: string[] = [];
  const commas: number[] = [0];
  let skeleton = "";
  let kept = 0;
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const char = text[at];
    if (char === '"') {
      const end = stringEnd(text, at);
      const start = payloadStart(text, at, end);
      at = end;
      if (start !== undefined) {
        at = valueEnd(text, start);
        // The space keeps the number apart from what follows, so that nothing becomes valid by the exchange.
        skeleton += `${text.slice(kept, start)}${payloads.length} `;
        payloads.push(text.slice(start, at));
        kept = at;
      }
      continue;
    }
    if (char === "{" || char === "[") {
      depth += 1;
      if (depth > limits.frameDepthMax)
        throw new FrameRefusal("frameTooDeep", "$", `Frame nests deeper than ${limits.frameDepthMax}`);
      commas[depth] = 0;
    } else if (char === "}" || char === "]") depth = Math.max(0, depth - 1);
    else if (char === ",") {
      const items = (commas[depth] as number) + 2;
      if (items > limits.listItemsMax)
        throw new FrameRefusal("badFrameShape", "$", `List of more than ${limits.listItemsMax} items`);
      commas[depth] = items - 1;
    }
    at += 1;
  }
  return { skeleton: skeleton + text.slice(kept), payloads };
}

/** Where the value begins whose name is the string in [at, end), if it is a name of bytes. */
function payloadStart(text: string, at: number, end: number): number | undefined {
  const colon = skipSpace(text, end);
  if (text[colon] !== ":") return undefined;
  const name = text.slice(at, end);
  if (!liftedNames.has(name.includes("\\") ? JSON.parse(name) : name.slice(1, -1))) return undefined;
  return skipSpace(text, colon + 1);
}

/** End of the JSON value that begins at `start`. Throws `FrameRefusal` when it nests deeper than a payload may. */
export function valueEnd(text: string, start: number): number {
  let depth = 0;
  let at = start;
  while (at < text.length) {
    const char = text[at] as string;
    if (char === '"') at = stringEnd(text, at);
    else if (char === "{" || char === "[") {
      depth += 1;
      if (depth > payloadDepthMax)
        throw new FrameRefusal("frameTooDeep", "$", `Payload nests deeper than ${payloadDepthMax}`);
      at += 1;
      continue;
    } else if (char === "}" || char === "]") {
      if (depth === 0) return at;
      depth -= 1;
      at += 1;
    } else if (depth === 0 && (char === "," || isSpace(char))) return at;
    else {
      at += 1;
      if (depth > 0 || !endsWord(text, at)) continue;
    }
    if (depth === 0) return at;
  }
  return at;
}

function endsWord(text: string, at: number): boolean {
  const char = text[at];
  return char === undefined || char === "," || char === "}" || char === "]" || isSpace(char);
}

/** Just after the closing quote of the string that begins at `at`; the text's end when there is none. */
function stringEnd(text: string, at: number): number {
  for (let next = at + 1; next < text.length; next++) {
    const char = text[next];
    if (char === '"') return next + 1;
    if (char === "\\") next += 1;
  }
  return text.length;
}

function skipSpace(text: string, at: number): number {
  let next = at;
  while (isSpace(text[next])) next += 1;
  return next;
}

function isSpace(char: string | undefined): boolean {
  return char === " " || char === "\n" || char === "\t" || char === "\r";
}
