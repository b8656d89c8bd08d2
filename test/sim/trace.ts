/**
 * What happened in a run, as a hash (always) and as readable lines (when asked): a failing seed is run again with
 * lines, which changes nothing else.
 * @module
 */
import type { Frame } from "../../src/protocol/frame.ts";
import type { SimClock } from "./clock.ts";
import { keyOf } from "./evidence.ts";
import { hashText } from "./random.ts";

export class Trace {
  readonly lines: string[] | undefined;
  hash = 0;
  readonly #clock: SimClock;

  constructor(clock: SimClock, readable: boolean) {
    this.#clock = clock;
    this.lines = readable ? [] : undefined;
  }

  /** `what` is part of the hash; `detail` is made only for readers. */
  note(what: string, detail?: () => string): void {
    const line = `${this.#clock.elapsedMs.toFixed(3)} ${what}`;
    this.hash = hashText(line, this.hash);
    this.lines?.push(`${line.padStart(12)}${detail === undefined ? "" : ` ${detail()}`}`);
  }
}

/** A frame on one line: records as `seq:key`, the rest as JSON. */
export function frameLine(frame: Frame): string {
  const { type: _type, ...fields } = frame;
  return JSON.stringify(fields, (_name, value: unknown) => {
    if (value instanceof Uint8Array) return keyOf(value);
    if (!isRecord(value)) return value;
    const lane = value.lane === undefined || value.lane === 2 ? "" : `/${value.lane}`;
    return `${value.seq ?? ""}:${value.topic}${lane}:${keyOf(value.payload)}`;
  }).replaceAll('"', "");
}

type Shown = { readonly seq?: number; readonly topic: string; readonly lane?: number; readonly payload: Uint8Array };

function isRecord(value: unknown): value is Shown {
  return typeof value === "object" && value !== null && "payload" in value && "topic" in value;
}
