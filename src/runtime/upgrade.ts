/**
 * Decides whether a request becomes a socket, and which subprotocol it speaks; a refusal is an HTTP answer.
 *
 * Pure.
 * @module
 */
import type { Limits } from "../protocol/limits.ts";
import { chooseSubprotocol, ticketsOffer } from "../protocol/subprotocol.ts";
import { type OriginPolicy, originAllowed } from "./origin.ts";
import type { PlainRoute } from "./plain/route.ts";
import { plainUpgrade } from "./plain/upgrade.ts";
import type { UpgradeDecision, UpgradeRequest } from "./transport/transport.ts";

/** Context of a socket whose client can be sent elsewhere. */
export const takesTickets = Symbol("takes tickets");

export type Door = {
  /** Why nobody is let in now: `The gateway is <closed>`. */
  readonly closed?: "stopping" | "draining" | undefined;
  /** Under way. */
  readonly handshakes: number;
  readonly limits: Limits;
  readonly origins: OriginPolicy;
  readonly plainRoutes: readonly PlainRoute[];
};

export function decideUpgrade(request: UpgradeRequest, door: Door): UpgradeDecision {
  const { path, origin, host, subprotocols } = request;
  const isOurs = path === "/" || path === "/weir";
  const plain = isOurs ? undefined : plainUpgrade(door.plainRoutes, request);
  if (!isOurs && plain === undefined) return refuse(404, `No WebSocket at ${path}; use / or /weir`);
  if (door.closed !== undefined) return refuse(503, `The gateway is ${door.closed}`);
  if (door.handshakes >= door.limits.handshakesMax) return refuse(503, "Too many handshakes at once; try again");
  if (!originAllowed(origin, host, door.origins))
    return refuse(403, `Origin ${origin} is not allowed; see security.origins`);
  if (plain !== undefined) return plain;
  const chosen = chooseSubprotocol(subprotocols);
  if (chosen === undefined)
    return refuse(400, "Offer a subprotocol: weir.v1.msgpack, weir.v1.protobuf or weir.v1.json");
  const { subprotocol } = chosen;
  return subprotocols.includes(ticketsOffer)
    ? { accept: true, subprotocol, context: takesTickets }
    : { accept: true, subprotocol };
}

function refuse(status: 400 | 403 | 404 | 503, message: string): UpgradeDecision {
  return { accept: false, status, message };
}
