/**
 * Decides how many of the bytes that follow a head belong to it: the length of a body as RFC 9112, section 6, has it. The
 * bytes themselves are passed on as they are, chunks included.
 *
 * Pure.
 * @module
 */
import { type AnswerHead, type Header, type RequestHead, tokensOf, valuesOf } from "./http-head.ts";

/** until close: an answer that ends with its connection. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until close" };
export type Framed =
  | { readonly ok: true; readonly framing: Framing }
  | { readonly ok: false; readonly status: 400 | 501; readonly detail: string };

export function requestFraming({ headers, version }: RequestHead): Framed {
  const framed = explicitFraming(headers);
  if (framed === undefined) return { ok: true, framing: { kind: "none" } };
  if (framed.ok && framed.framing.kind === "chunked" && version === "1.0") return bad("HTTP/1.0 has no chunks");
  return framed;
}

export function answerFraming({ status, headers }: AnswerHead, method: string): Framed {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304)
    return { ok: true, framing: { kind: "none" } };
  return explicitFraming(headers) ?? { ok: true, framing: { kind: "until close" } };
}

function explicitFraming(headers: readonly Header[]): Framed | undefined {
  const codings = tokensOf(headers, "transfer-encoding");
  const lengths = valuesOf(headers, "content-length");
  if (codings.length > 0) {
    if (lengths.length > 0) return bad("Transfer-Encoding and Content-Length are both there");
    if (codings.length === 1 && codings[0] === "chunked") return { ok: true, framing: { kind: "chunked" } };
    return {
      ok: false,
      status: 501,
      detail: `Transfer-Encoding "${codings.join(", ").slice(0, 100)}" is not understood`,
    };
  }
  if (valuesOf(headers, "transfer-encoding").length > 0) return bad("Transfer-Encoding is empty");
  const [length] = lengths;
  if (length === undefined) return undefined;
  if (lengths.length > 1 || !/^\d{1,15}$/.test(length)) return bad("Content-Length is not one whole number");
  return { ok: true, framing: { kind: "length", bytes: Number(length) } };
}

function bad(detail: string): Framed {
  return { ok: false, status: 400, detail };
}

const cr = 13;
const lf = 10;

/** Follows a body through the bytes of a connection. */
export class BodyMeter {
  /** All of it has passed. */
  done: boolean;
  /** What has passed is no body as was announced; nothing more of it is told. */
  problem: string | undefined;
  readonly #framing: Framing;
  readonly #lineBytesMax: number;
  /** Of the length, or of the chunk that is passing. */
  #left: number;
  #phase: "size line" | "data" | "data end" | "trailers" = "size line";
  #line = "";

  /** `lineBytesMax`: of a chunk's size line, or of one trailer. */
  constructor(framing: Framing, lineBytesMax: number) {
    this.#framing = framing;
    this.#lineBytesMax = lineBytesMax;
    this.#left = framing.kind === "length" ? framing.bytes : 0;
    this.done = framing.kind === "none" || (framing.kind === "length" && framing.bytes === 0);
  }

  /** How many of these bytes, from the first one on, belong to the body. */
  take(bytes: Uint8Array): number {
    if (this.done || this.problem !== undefined) return 0;
    switch (this.#framing.kind) {
      case "until close":
        return bytes.byteLength;
      case "chunked":
        return this.#chunks(bytes);
      default:
        return this.#counted(bytes.byteLength);
    }
  }

  #counted(available: number): number {
    const taken = Math.min(available, this.#left);
    this.#left -= taken;
    this.done = this.#left === 0;
    return taken;
  }

  #chunks(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.byteLength && !this.done && this.problem === undefined) {
      if (this.#phase === "data") {
        const taken = Math.min(bytes.byteLength - at, this.#left);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#phase = "data end";
      } else {
        this.#lineByte(bytes[at] as number);
        at++;
      }
    }
    return at;
  }

  #lineByte(byte: number): void {
    this.#line += String.fromCharCode(byte);
    if (this.#line.length > this.#lineBytesMax) {
      this.problem = `A line between chunks is longer than ${this.#lineBytesMax} bytes`;
      return;
    }
    if (byte !== lf) {
      if (this.#line.length > 1 && this.#line.charCodeAt(this.#line.length - 2) === cr)
        this.problem = "A line between chunks holds a carriage return";
      return;
    }
    const line = this.#line;
    this.#line = "";
    if (line.length < 2 || line.charCodeAt(line.length - 2) !== cr) {
      this.problem = "A line between chunks ends without a carriage return";
      return;
    }
    this.#lineEnded(line.slice(0, -2));
  }

  #lineEnded(line: string): void {
    switch (this.#phase) {
      case "data end":
        if (line !== "") this.problem = "A chunk is longer than its size";
        this.#phase = "size line";
        return;
      case "trailers":
        if (line === "") this.done = true;
        return;
      default:
        this.#sized(line);
    }
  }

  #sized(line: string): void {
    const [, size] = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/.exec(line) ?? [];
    if (size === undefined) {
      this.problem = "A chunk's size is not a hexadecimal number";
      return;
    }
    this.#left = Number.parseInt(size, 16);
    this.#phase = this.#left === 0 ? "trailers" : "data";
  }
}
