/**
 * Where others find this node: what its configuration says, or where it listens.
 *
 * Pure.
 * @module
 */
import type { NodeInfo } from "./membership.ts";

export type Discovery = {
  /** WebSocket URL of this node, as clients dial it. @default made of where it listens */
  readonly url?: string;
  /** Name of this machine, in that URL, where the node listens on all addresses. @default "127.0.0.1" */
  readonly host?: string;
  readonly zone?: string;
  readonly location?: NodeInfo["location"];
  /** Share of clients that it wants, beside the others'. @default 1 */
  readonly weight?: number;
  /** Where there is an accelerator whose memory clients need. */
  readonly acceleratorFreeBytes?: () => number | undefined;
};

type Listening = { readonly hostname: string; readonly port: number; readonly secure: boolean };

const everywhere = new Set(["0.0.0.0", "::", "[::]", ""]);

export function addressOf(
  { url, host = "127.0.0.1" }: Discovery,
  { hostname, port, secure }: Listening,
): Pick<NodeInfo, "url" | "http"> {
  const reachable = everywhere.has(hostname) ? host : hostname;
  const name = reachable.includes(":") && !reachable.startsWith("[") ? `[${reachable}]` : reachable;
  const own = new URL(url ?? `${secure ? "wss" : "ws"}://${name}:${port}/`);
  const http = new URL(own);
  http.protocol = own.protocol === "wss:" ? "https:" : "http:";
  return { url: own.href, http: http.origin };
}
