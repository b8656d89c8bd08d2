/**
 * Decides whether bytes are the head of an HTTP/1.1 request or answer (RFC 9112), and what it says. Strict: what two
 * programs could read in two ways (bare line feeds, folded lines, spaces before a colon, two lengths) is refused, because
 * a request that proxy and backend see differently is how requests are smuggled.
 *
 * Pure.
 * @module
 */
import { asBuffer } from "./byte-buffer.ts";

/** `key`: the name in lower case. */
export type Header = readonly [name: string, value: string, key: string];
export type Version = "1.0" | "1.1";
export type RequestHead = {
  readonly method: string;
  /** As it stood there: `/path?query`, `*`, or a whole URL. */
  readonly target: string;
  readonly version: Version;
  readonly headers: readonly Header[];
};
export type AnswerHead = {
  readonly version: Version;
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly Header[];
};
export type HeadProblem = { readonly ok: false; readonly status: 400 | 431 | 505; readonly detail: string };
export type Parsed<Head> = { readonly ok: true; readonly head: Head } | HeadProblem;

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(\d)\.(\d)$/;
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** `bytes`: up to and with the empty line. */
export function parseRequestHead(bytes: Uint8Array, headersMax: number): Parsed<RequestHead> {
  const lines = linesOf(bytes);
  const [, method, target, major, minor] = requestLine.exec(lines[0] ?? "") ?? [];
  if (method === undefined || target === undefined) return bad("The request line is not one of HTTP/1.1");
  if (major !== "1" || (minor !== "0" && minor !== "1"))
    return { ok: false, status: 505, detail: `HTTP/${major}.${minor} is not spoken here, HTTP/1.1 is` };
  const headers = headersOf(lines, headersMax);
  if (!Array.isArray(headers)) return headers as HeadProblem;
  const version = minor === "1" ? "1.1" : "1.0";
  const hosts = valuesOf(headers, "host");
  if (hosts.length > 1) return bad("There is more than one Host header");
  if (hosts.length === 0 && version === "1.1") return bad("The Host header is missing");
  return { ok: true, head: { method, target, version, headers } };
}

/** What a backend answers; a problem of it is the backend's. */
export function parseAnswerHead(bytes: Uint8Array, headersMax: number): Parsed<AnswerHead> {
  const lines = linesOf(bytes);
  const [, minor, status, reason = ""] = statusLine.exec(lines[0] ?? "") ?? [];
  if (status === undefined) return bad("The status line is not one of HTTP/1.1");
  const headers = headersOf(lines, headersMax);
  if (!Array.isArray(headers)) return headers as HeadProblem;
  return { ok: true, head: { version: minor === "1" ? "1.1" : "1.0", status: Number(status), reason, headers } };
}

const none: readonly string[] = [];

/** Every value of a header, in order. `name` in lower case. */
export function valuesOf(headers: readonly Header[], name: string): readonly string[] {
  let values: string[] | undefined;
  for (const [, value, key] of headers) {
    if (key !== name) continue;
    values ??= [];
    values.push(value);
  }
  return values ?? none;
}

/** Members of a header that is a list, in lower case. */
export function tokensOf(headers: readonly Header[], name: string): readonly string[] {
  const values = valuesOf(headers, name);
  if (values === none) return none;
  const members = values.join(",").toLowerCase().split(",");
  return members.map((one) => one.trim()).filter((one) => one !== "");
}

/** Whether the connection may be used again after this request or answer. */
export function staysOpen({ version, headers }: Pick<RequestHead, "version" | "headers">): boolean {
  const connection = tokensOf(headers, "connection");
  return version === "1.1" ? !connection.includes("close") : connection.includes("keep-alive");
}

export function isWebSocketUpgrade({ method, version, headers }: RequestHead): boolean {
  return (
    method === "GET" &&
    version === "1.1" &&
    tokensOf(headers, "connection").includes("upgrade") &&
    tokensOf(headers, "upgrade").includes("websocket")
  );
}

function linesOf(bytes: Uint8Array): readonly string[] {
  const text = asBuffer(bytes).toString("latin1");
  return text.slice(0, -4).split("\r\n");
}

function headersOf(lines: readonly string[], headersMax: number): Header[] | HeadProblem {
  if (lines.length - 1 > headersMax)
    return { ok: false, status: 431, detail: `There are ${lines.length - 1} headers, at most ${headersMax} may be` };
  const headers: Header[] = [];
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at] as string;
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1);
    if (colon < 1 || !token.test(name) || !fieldValue.test(value)) return bad(`Header ${at} is not one of HTTP/1.1`);
    headers.push([name, value.trim(), name.toLowerCase()]);
  }
  return headers;
}

function bad(detail: string): HeadProblem {
  return { ok: false, status: 400, detail };
}
