/**
 * Chooses the transport of the runtime that this runs on.
 * @module
 */
import type { Transport } from "./transport.ts";

export type HostName = "bun" | "deno" | "node";

export function hostName(): HostName {
  const { versions } = process;
  if (versions["bun"] !== undefined) return "bun";
  return versions["deno"] === undefined ? "node" : "deno";
}

/** Each adapter is loaded where it is used alone. */
export async function hostTransport(): Promise<Transport> {
  switch (hostName()) {
    case "bun":
      return (await import("./bun.ts")).bunTransport();
    case "deno":
      return (await import("./deno.ts")).denoTransport();
    case "node":
      return await (await import("./uws.ts")).uwsTransport();
  }
}
