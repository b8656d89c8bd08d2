/**
 * Messages as a simulated NATS carries and keeps them: subjects, header blocks, statuses.
 *
 * Pure.
 * @module
 */
import type { Subscribed } from "./connection.ts";

export type Fields = ReadonlyMap<string, string>;

/** What a stream holds. */
export type Message = {
  readonly seq: number;
  readonly subject: string;
  readonly fields: Fields;
  readonly data: Uint8Array;
  /** When it was stored. */
  readonly atMs: number;
  /** No longer held. */
  gone: boolean;
};

/** What goes to a client: `to` is the inbox that it is for, `subject` what it says. */
export type Delivery = {
  readonly to: string;
  /** The one subscription that it is for. */
  readonly only?: Subscribed;
  readonly subject: string;
  readonly reply?: string;
  readonly headers?: SimHeaders;
  readonly data: Uint8Array;
};

const encoder = new TextEncoder();
const decoder = new TextDecoder();
export const noBytes = new Uint8Array(0);

/** What a receiver asks of headers. */
export class SimHeaders {
  readonly code: number;
  readonly #fields: Fields;

  constructor(fields: Fields, code = 0) {
    this.#fields = fields;
    this.code = code;
  }

  get(name: string): string {
    return this.#fields.get(name) ?? "";
  }

  without(name: string): SimHeaders {
    const fields = new Map(this.#fields);
    fields.delete(name);
    return new SimHeaders(fields, this.code);
  }

  encode(): Uint8Array {
    return headerBlock(this.#fields, this.code);
  }
}

export function parseHeaders(block: Uint8Array): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of decoder.decode(block).split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

export function headerBlock(fields: Fields, code = 0): Uint8Array {
  let lines = code === 0 ? "NATS/1.0\r\n" : `NATS/1.0 ${code}\r\n`;
  for (const [name, value] of fields) lines += `${name}: ${value}\r\n`;
  return encoder.encode(`${lines}\r\n`);
}

export function json(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

export function fromJson<T>(data: Uint8Array): T {
  return JSON.parse(decoder.decode(data)) as T;
}

/** `100 Idle Heartbeat`, `503` and the like. */
export function status(to: string, code: number, fields: Fields = new Map()): Delivery {
  return { to, subject: to, headers: new SimHeaders(fields, code), data: noBytes };
}

/** As NATS compares: `*` is one token, a last `>` the rest. */
export function subjectMatches(filter: string, subject: string): boolean {
  if (filter === subject) return true;
  const wanted = filter.split(".");
  const has = subject.split(".");
  for (const [i, token] of wanted.entries()) {
    if (token === ">") return has.length > i;
    if (i >= has.length || (token !== "*" && token !== has[i])) return false;
  }
  return wanted.length === has.length;
}
