/**
 * Decides what of a head is passed on: hop-by-hop headers (RFC 9110, section 7.6.1) stay here, and the backend is told who
 * asks (X-Forwarded-*, Forwarded as RFC 7239 has it, Via). What a client claims about itself is dropped unless a trusted
 * proxy stands between.
 *
 * Pure.
 * @module
 */
import { type AnswerHead, type Header, type RequestHead, tokensOf, valuesOf } from "./http-head.ts";

/** Known to one connection alone, and what only a proxy can know. Of the latter more below. */
const kept: ReadonlySet<string> = new Set(["transfer-encoding", "content-length"]);
const dropped: ReadonlySet<string> = new Set([
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "upgrade"],
  ...["forwarded", "x-real-ip", "host", "via"],
]);
const claimPrefix = "x-forwarded-";

export type Peer = {
  readonly address: string;
  /** It is a proxy whose claims are believed. */
  readonly trusted: boolean;
  /** It came over TLS. */
  readonly secure: boolean;
};
export type Hop = {
  readonly peer: Peer;
  /** What this proxy calls itself in Via. */
  readonly via: string;
};

/** The request as a backend gets it. */
export function forwardedRequest(head: RequestHead, hop: Hop): Buffer {
  const { method, target, version } = head;
  const first = `${method} ${originForm(target)} HTTP/${version}\r\n`;
  // Whoever speaks 1.0 is answered as 1.0 has it: the end of the connection ends the answer.
  const last = version === "1.0" ? "Connection: close\r\n\r\n" : "\r\n";
  return Buffer.from(first + passedOn(head, hop) + last, "latin1");
}

/** The upgrade as a backend gets it: what belongs to it is hop-by-hop and named again. */
export function forwardedUpgrade(head: RequestHead, hop: Hop): Buffer {
  const first = `GET ${originForm(head.target)} HTTP/1.1\r\n`;
  const last = "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  return Buffer.from(first + passedOn(head, hop) + last, "latin1");
}

export type AnswerHop = { readonly staysOpen: boolean; readonly setCookie: string | undefined };

/** An answer as the client gets it. */
export function forwardedAnswer({ status, reason, headers }: AnswerHead, { staysOpen, setCookie }: AnswerHop): Buffer {
  const named = tokensOf(headers, "connection");
  let text = `HTTP/1.1 ${status} ${reason}\r\n`;
  for (const [name, value, key] of headers)
    if (!isHopByHop(key, named) || ofBackend.has(key)) text += `${name}: ${value}\r\n`;
  const last = `Connection: ${staysOpen ? "keep-alive" : "close"}\r\n\r\n`;
  return Buffer.from(text + cookieLine(setCookie) + last, "latin1");
}

/** In an answer these are the backend's own. */
const ofBackend: ReadonlySet<string> = new Set(["via", "forwarded", "host", "x-real-ip"]);

/** 101, or an interim answer: as the backend gave it. */
export function verbatimAnswer({ status, reason, headers }: AnswerHead, setCookie?: string): Buffer {
  let text = `HTTP/1.1 ${status} ${reason}\r\n`;
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  return Buffer.from(`${text}${cookieLine(setCookie)}\r\n`, "latin1");
}

/** A request that has been here before would go round for ever. */
export function hasPassed({ headers }: RequestHead, via: string): boolean {
  return tokensOf(headers, "via").some((one) => one.endsWith(` ${via.toLowerCase()}`));
}

/** Addresses that the request came along before its peer, the client first. */
export function forwardedFor({ headers }: RequestHead): readonly string[] {
  return tokensOf(headers, "x-forwarded-for");
}

function cookieLine(setCookie: string | undefined): string {
  return setCookie === undefined ? "" : `Set-Cookie: ${setCookie}\r\n`;
}

/** With a whole URL as target its host counts, whatever the Host header says (RFC 9112, section 3.2.2). */
function hostOf({ target, headers }: RequestHead): string | undefined {
  const [own] = valuesOf(headers, "host");
  return target.startsWith("/") ? own : (/^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? own);
}

function originForm(target: string): string {
  if (target.startsWith("/")) return target;
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** Lines of text, and not a list of headers: half of what a new connection costs here is this head. */
function passedOn(head: RequestHead, { peer, via }: Hop): string {
  const { headers } = head;
  const named = tokensOf(headers, "connection");
  const host = hostOf(head);
  let text = host === undefined ? "" : `Host: ${host}\r\n`;
  for (const [name, value, key] of headers)
    if (!key.startsWith(claimPrefix) && !isHopByHop(key, named)) text += `${name}: ${value}\r\n`;
  const passed = valuesOf(headers, "via");
  return `${text}${whoAsks(headers, host, peer)}Via: ${after(passed, `${head.version} ${via}`)}\r\n`;
}

function whoAsks(headers: readonly Header[], host: string | undefined, peer: Peer): string {
  const { address, trusted, secure } = peer;
  const told = (name: string): readonly string[] => (trusted ? valuesOf(headers, name) : nothing);
  const proto = secure ? "https" : "http";
  const node = address.includes(":") ? `"[${address}]"` : address;
  const own = `for=${node}${host === undefined ? "" : `;host=${quoted(host)}`};proto=${proto}`;
  const first = told("x-forwarded-host")[0] ?? host;
  return (
    `X-Forwarded-For: ${after(told("x-forwarded-for"), address)}\r\n` +
    `X-Forwarded-Proto: ${told("x-forwarded-proto")[0] ?? proto}\r\n` +
    (first === undefined ? "" : `X-Forwarded-Host: ${first}\r\n`) +
    `Forwarded: ${after(told("forwarded"), own)}\r\n`
  );
}

const nothing: readonly string[] = [];

/** One more at the end of a list. */
function after(list: readonly string[], last: string): string {
  return list.length === 0 ? last : `${list.join(", ")}, ${last}`;
}

/** RFC 7239: a value that is no token is quoted. */
function quoted(value: string): string {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

/** What frames the body stays, whoever names it: without it the other side would read another body. */
function isHopByHop(key: string, named: readonly string[]): boolean {
  return dropped.has(key) || (named.includes(key) && !kept.has(key));
}
