/**
 * Decides what keeps a client at its backend: a cookie that names it, or a key (address, header, query) that the balancer
 * hashes.
 *
 * Pure.
 * @module
 */
import { createHash } from "node:crypto";
import { type RequestHead, valuesOf } from "./http-head.ts";

export type Stickiness =
  | { readonly by: "none" }
  | { readonly by: "cookie" }
  | { readonly by: "ip" }
  | { readonly by: "header"; readonly name: string }
  | { readonly by: "query"; readonly name: string };

export const cookieName = "weir_backend";
const keyBytesMax = 256;

/** What was asked for on the command line. */
export function readStickiness(text: string): Stickiness | undefined {
  if (text === "none" || text === "cookie" || text === "ip") return { by: text };
  const [, by, name] = /^(header|query):([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64})$/.exec(text) ?? [];
  if (by === "header" && name !== undefined) return { by, name: name.toLowerCase() };
  if (by === "query" && name !== undefined) return { by, name };
  return undefined;
}

/** What the balancer hashes; undefined: the request does not say, anybody will do. */
export function keyOf(stickiness: Stickiness, head: RequestHead, client: string): string | undefined {
  switch (stickiness.by) {
    case "ip":
      return client;
    case "header":
      return bounded(valuesOf(head.headers, stickiness.name)[0]);
    case "query": {
      const query = head.target.split("?")[1] ?? "";
      return bounded(new URLSearchParams(query).get(stickiness.name) ?? undefined);
    }
    default:
      return undefined;
  }
}

/** What names a backend to clients, and tells them nothing else. */
export function cookieOf(backend: string): string {
  return createHash("sha256").update(backend).digest("base64url").slice(0, 16);
}

/** The backend's name that the request brings along. */
export function cookieIn(head: RequestHead): string | undefined {
  for (const pair of valuesOf(head.headers, "cookie").flatMap((value) => value.split(";"))) {
    const [name, value] = pair.split("=");
    if (name?.trim() === cookieName) return value?.trim();
  }
  return undefined;
}

/** For the session of the browser: a backend that has gone is another one's cookie at the next request. */
export function setCookie(value: string, secure: boolean): string {
  return `${cookieName}=${value}; Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`;
}

function bounded(key: string | undefined): string | undefined {
  return key === undefined || key === "" ? undefined : key.slice(0, keyBytesMax);
}
