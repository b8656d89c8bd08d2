/**
 * Chooses the byte sockets of the runtime that this runs on.
 * @module
 */
import { hostName } from "../../runtime/transport/host.ts";
import type { SocketHost } from "./byte-socket.ts";

/** Each adapter is loaded where it is used alone. */
export async function hostSockets(): Promise<SocketHost> {
  if (hostName() === "bun") return (await import("./bun-sockets.ts")).bunSockets();
  return (await import("./node-sockets.ts")).nodeSockets();
}
