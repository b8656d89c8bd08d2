/**
 * Decides what the upgrade of a plain JSON socket asks for: which filter, from where on, with which token. What cannot
 * be is refused with its reason, before a socket is open.
 *
 * The token comes as a subprotocol or as the first message, never in the address: those are logged everywhere.
 * Pure.
 * @module
 */
import type { StartAt } from "../../protocol/frame.ts";
import type { UpgradeDecision, UpgradeRequest } from "../transport/transport.ts";
import { matchPlainRoute, type PlainRoute } from "./route.ts";

/** Context of a socket on a plain route. */
export class PlainAsk {
  readonly filter: string;
  readonly start: StartAt;
  readonly token: string | undefined;

  constructor(filter: string, start: StartAt, token: string | undefined) {
    this.filter = filter;
    this.start = start;
    this.token = token;
  }
}

/** Chosen when it is offered; a browser that offers a token has to be answered with another name. */
export const plainSubprotocol = "weir.plain";
const tokenPrefix = "weir.token.";
const nameCharsMax = 64;

/** Undefined: the path is none of a plain route. */
export function plainUpgrade(routes: readonly PlainRoute[], request: UpgradeRequest): UpgradeDecision | undefined {
  const match = matchPlainRoute(routes, request.path);
  if (match === undefined) return undefined;
  if (match.kind === "problem") return refuse(match.message);
  const query = new URLSearchParams(request.query);
  for (const name of query.keys())
    if (name !== "from") return refuse(`Unknown parameter ${name.slice(0, nameCharsMax)}, expected from`);
  const start = startIn(query.get("from") ?? "new");
  if (start === undefined)
    return refuse("from is new, all, the position of a message, or a time as 2026-01-31T12:00:00Z");
  const offered = request.subprotocols;
  const token = offered.find((name) => name.startsWith(tokenPrefix))?.slice(tokenPrefix.length);
  if (offered.length > 0 && !offered.includes(plainSubprotocol))
    return refuse(`Offer no subprotocol, or ${plainSubprotocol}, beside it ${tokenPrefix}<token>`);
  const context = new PlainAsk(match.filter, start, token);
  return { accept: true, subprotocol: offered.length > 0 ? plainSubprotocol : "", context };
}

function refuse(message: string): UpgradeDecision {
  return { accept: false, status: 400, message };
}

/** Also of REST. */
export function startIn(text: string): StartAt | undefined {
  if (text === "new" || text === "all") return { kind: text };
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(time)) return { kind: "time", time };
  const [, epoch, seq] = /^([^\s]{1,64}):(\d{1,15})$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { kind: "position", epoch, seq: Number(seq) };
}
