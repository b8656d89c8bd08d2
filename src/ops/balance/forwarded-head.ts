/**
 * Decides what of a head is passed on: hop-by-hop headers (RFC 9110, section 7.6.1) stay here, and the backend is told who
 * asks (X-Forwarded-*, Forwarded as RFC 7239 has it, Via). What a client claims about itself is dropped unless a trusted
 * proxy stands between.
 *
 * Pure.
 * @module
 */
import {
  type AnswerHead,
  type Header,
  type HeaderLine,
  headBytes,
  type RequestHead,
  tokensOf,
  valuesOf,
} from "./http-head.ts";

const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "upgrade",
]);
/** What only a proxy can know. */
const claims = /^(x-forwarded-.*|forwarded|x-real-ip)$/;

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
  /** The connection to the backend is for this request alone. */
  readonly last: boolean;
};

/** The request as a backend gets it. */
export function forwardedRequest(head: RequestHead, hop: Hop): Buffer {
  const { method, target, version } = head;
  return headBytes(`${method} ${originForm(target)} HTTP/${version}`, [
    ...passedOn(head, hop),
    ...connectionHeaders(head, hop),
  ]);
}

/** The upgrade as a backend gets it: what belongs to it is hop-by-hop and named again. */
export function forwardedUpgrade(head: RequestHead, hop: Hop): Buffer {
  return headBytes(`GET ${originForm(head.target)} HTTP/1.1`, [
    ...passedOn(head, hop),
    ["Connection", "Upgrade"],
    ["Upgrade", "websocket"],
  ]);
}

export type AnswerHop = { readonly staysOpen: boolean; readonly setCookie: string | undefined };

/** An answer as the client gets it. */
export function forwardedAnswer(head: AnswerHead, { staysOpen, setCookie }: AnswerHop): Buffer {
  const named = namedByConnection(head.headers);
  const kept = head.headers.filter(([, , key]) => !isHopByHop(key, named));
  return headBytes(`HTTP/1.1 ${head.status} ${head.reason}`, [
    ...kept,
    ...cookieHeaders(setCookie),
    ["Connection", staysOpen ? "keep-alive" : "close"],
  ]);
}

/** 101, or an interim answer: as the backend gave it. */
export function verbatimAnswer(head: AnswerHead, setCookie?: string): Buffer {
  return headBytes(`HTTP/1.1 ${head.status} ${head.reason}`, [...head.headers, ...cookieHeaders(setCookie)]);
}

/** A request that has been here before would go round for ever. */
export function hasPassed({ headers }: RequestHead, via: string): boolean {
  return tokensOf(headers, "via").some((one) => one.endsWith(` ${via.toLowerCase()}`));
}

/** Addresses that the request came along before its peer, the client first. */
export function forwardedFor({ headers }: RequestHead): readonly string[] {
  return tokensOf(headers, "x-forwarded-for");
}

function cookieHeaders(setCookie: string | undefined): readonly HeaderLine[] {
  return setCookie === undefined ? [] : [["Set-Cookie", setCookie]];
}

/** With a whole URL as target its host counts, whatever the Host header says (RFC 9112, section 3.2.2). */
function hostOf({ target, headers }: RequestHead): string | undefined {
  return /^https?:\/\/([^/?#]*)/i.exec(target)?.[1] ?? valuesOf(headers, "host")[0];
}

function originForm(target: string): string {
  const [, rest] = /^https?:\/\/[^/?#]*(.*)$/i.exec(target) ?? [];
  if (rest === undefined) return target;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

function passedOn(head: RequestHead, { peer, via }: Hop): readonly (Header | HeaderLine)[] {
  const named = namedByConnection(head.headers);
  const host = hostOf(head);
  const kept = head.headers.filter(
    ([, , key]) => key !== "host" && key !== "via" && !isHopByHop(key, named) && !claims.test(key),
  );
  return [
    ...(host === undefined ? [] : [["Host", host] as const]),
    ...kept,
    ...whoAsks(head, host, peer),
    ["Via", [...valuesOf(head.headers, "via"), `${head.version} ${via}`].join(", ")],
  ];
}

function whoAsks({ headers }: RequestHead, host: string | undefined, peer: Peer): readonly HeaderLine[] {
  const told = (name: string): readonly string[] => (peer.trusted ? valuesOf(headers, name) : []);
  const proto = told("x-forwarded-proto")[0] ?? (peer.secure ? "https" : "http");
  const first = told("x-forwarded-host")[0] ?? host;
  const node = peer.address.includes(":") ? `"[${peer.address}]"` : peer.address;
  const own = [
    `for=${node}`,
    ...(host === undefined ? [] : [`host=${quoted(host)}`]),
    `proto=${peer.secure ? "https" : "http"}`,
  ];
  return [
    ["X-Forwarded-For", [...told("x-forwarded-for"), peer.address].join(", ")],
    ["X-Forwarded-Proto", proto],
    ...(first === undefined ? [] : [["X-Forwarded-Host", first] as const]),
    ["Forwarded", [...told("forwarded"), own.join(";")].join(", ")],
  ];
}

/** RFC 7239: a value that is no token is quoted. */
function quoted(value: string): string {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
}

function connectionHeaders({ version }: RequestHead, { last }: Hop): readonly HeaderLine[] {
  return last || version === "1.0" ? [["Connection", "close"]] : [];
}

function namedByConnection(headers: readonly Header[]): ReadonlySet<string> {
  return new Set(tokensOf(headers, "connection"));
}

/** What frames the body stays, whoever names it: without it the other side would read another body. */
function isHopByHop(key: string, named: ReadonlySet<string>): boolean {
  if (key === "transfer-encoding" || key === "content-length") return false;
  return hopByHop.has(key) || named.has(key);
}
