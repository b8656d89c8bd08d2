/**
 * What a HELLO is answered: who it is, whether it is served here, and the session that it gets.
 * @module
 */
import type { CloseName } from "../protocol/close-code.ts";
import type { ErrorFrame, Hello } from "../protocol/frame.ts";
import type { Arrival, Destination } from "./cluster/redirect.ts";
import type { Authentication, Identity } from "./ports.ts";
import type { Services } from "./services.ts";
import type { Attached } from "./session/attached.ts";
import { errorFrame, type Peer } from "./session/context.ts";
import type { Sessions } from "./session/sessions.ts";
import { checkToken } from "./token-check.ts";

export type HandshakeParts = {
  readonly services: Services;
  readonly sessions: Sessions;
  readonly peer: Peer;
  readonly from: Pick<Arrival, "remoteAddress" | "takesTickets">;
  /** From here on the peer has this identity. */
  identified(identity: Identity): void;
};

export type Refusal = {
  readonly ok: false;
  readonly reason: CloseName;
  readonly cause: string;
  readonly retryAfterMs?: number;
  /** Sent before the connection is closed. */
  readonly error?: ErrorFrame;
  /** Where it is to go instead. */
  readonly destination?: Destination;
};

const authenticationRetryMs = 2_000;

/** Undefined: the peer has gone meanwhile. */
export async function greet(
  hello: Hello,
  { services, sessions, peer, from, identified }: HandshakeParts,
): Promise<Extract<Attached, { ok: true }> | Refusal | undefined> {
  const authentication = await authenticate(services, peer.id, hello.token);
  if (peer.gone) return undefined;
  if (!authentication.ok) return "reason" in authentication ? authentication : refusalOf(authentication);
  const { identity } = authentication;
  identified(identity);
  const directed = await services.balancing.direct({ hello, identity, ...from });
  if (peer.gone) return undefined;
  if (directed.to === "elsewhere")
    return { ok: false, reason: "goingAway", cause: "redirected", destination: directed.destination };
  if (directed.refused !== undefined) peer.send(errorFrame("ticketRefused", directed.refused));
  const attached = await sessions.attach(peer, hello, peer.id);
  if (!attached.ok) return { ...attached, cause: attached.reason };
  if (!peer.gone) return attached;
  await sessions.detach(attached.session, "closedInHandshake");
  return undefined;
}

/** Nobody may be able to say now whether the token holds: the client comes again. */
export async function authenticate(
  services: Services,
  connection: string,
  token: string | undefined,
): Promise<Authentication | Refusal> {
  const authentication = await checkToken(services, connection, token);
  if (authentication !== undefined) return authentication;
  const cause = "authenticationUnavailable";
  return { ok: false, reason: "overloaded", cause, retryAfterMs: authenticationRetryMs };
}

function refusalOf({ code, message }: Extract<Authentication, { ok: false }>): Refusal {
  const error = errorFrame(code === "unauthenticated" ? code : "tokenInvalid", message);
  return { ok: false, reason: code === "tokenExpired" ? code : "unauthenticated", cause: code, error };
}
