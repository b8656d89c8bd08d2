/**
 * One server behind the proxy: where it is, what is known of its health, what it has in hand.
 * @module
 */
import { type Health, unchecked } from "../../actors/balancer/active-health.ts";
import { DecayingAverage } from "../../actors/balancer/decaying-average.ts";
import type { EpochMs } from "../../protocol/ids.ts";

/** Where a backend is and what it should get. */
export type BackendSpec = {
  readonly hostname: string;
  readonly port: number;
  /** It is dialled over TLS. */
  readonly secure: boolean;
  /** Finite, above 0. */
  readonly weight: number;
  /** 0: first choice. Of a later tier only when no earlier one has any. */
  readonly tier: number;
};
/** static: from the command line · discovered: from a gateway's list of nodes. */
export type BackendOrigin = "static" | "discovered";

/** What a node tells of its load, where one is asked. */
export type ReportedLoad = { readonly cpu: number };

export class Backend {
  readonly id: string;
  readonly origin: BackendOrigin;
  spec: BackendSpec;
  health: Health = unchecked;
  /** An operator wants nothing new to go there; what is there stays. */
  draining = false;
  /** Its cluster says that it is about to come or to go: nothing new either. */
  leaving = false;
  /** As its cluster calls it. */
  node: string | undefined;
  /** Since when it can be used, for slow start; undefined: since the proxy has. */
  startedAt: EpochMs | undefined;
  load: ReportedLoad | undefined;
  /** Tunnels, and requests that are not answered yet. */
  connections = 0;
  opened = 0;
  failures = 0;
  /** How long it takes to answer a request or an upgrade, connecting included. */
  readonly responses = new DecayingAverage();

  constructor(spec: BackendSpec, origin: BackendOrigin) {
    this.id = backendId(spec);
    this.spec = spec;
    this.origin = origin;
  }

  get isHealthy(): boolean {
    return this.health.status !== "unhealthy" && !this.draining && !this.leaving;
  }
}

export function backendId({ hostname, port }: Pick<BackendSpec, "hostname" | "port">): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** `ws://10.0.0.5:8080,weight=2,backup`. A problem is a sentence. */
export function readBackend(text: string): BackendSpec | string {
  const [address = "", ...words] = text.split(",");
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const secure = url?.protocol === "wss:" || url?.protocol === "https:";
  if (url === undefined || !(secure || url.protocol === "ws:" || url.protocol === "http:"))
    return `"${address}" is no backend, expected one as ws://10.0.0.5:8080 or wss://gateway.example.com`;
  if (url.pathname !== "/" || url.search !== "" || url.username !== "")
    return `"${address}" says more than where the backend is: paths and queries come from the clients`;
  let weight = 1;
  let tier = 0;
  for (const word of words) {
    const [name, value = ""] = word.split("=");
    if (word === "backup") tier = 1;
    else if (name === "weight" && /^\d{1,4}(\.\d{1,3})?$/.test(value) && Number(value) > 0) weight = Number(value);
    else return `"${word}" says nothing about a backend, expected weight=<0.001–9999> or backup`;
  }
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { hostname, port: url.port === "" ? (secure ? 443 : 80) : Number(url.port), secure, weight, tier };
}
