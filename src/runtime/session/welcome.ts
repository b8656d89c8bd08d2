/**
 * What WELCOME tells a client whose session is attached.
 * @module
 */
import type { Welcome } from "../../protocol/frame.ts";
import type { Services } from "../services.ts";
import type { Attached } from "./attached.ts";
import type { Peer } from "./context.ts";

export function welcomeFrame(
  attached: Extract<Attached, { ok: true }>,
  { identity, limits }: Pick<Peer, "identity" | "limits">,
  services: Services,
): Welcome {
  const { ports, node } = services;
  const { session, outcome, cause, resumeKey, resumeWindowMs } = attached;
  const { epoch, tier, transactions } = ports.log.info();
  const refused = [...session.state.refused.values()].filter(({ n }) => n <= session.publishedUpTo);
  return {
    type: "welcome",
    session: session.id,
    resumeKey,
    outcome,
    ...(cause === undefined ? {} : { cause }),
    owner: session.state.owner,
    node,
    epoch,
    tier,
    resumeWindowMs,
    publishedUpTo: session.publishedUpTo,
    ...(refused.length === 0 ? {} : { refused }),
    credit: { records: limits.publishCreditRecords, bytes: limits.publishCreditBytes },
    heartbeatMs: limits.heartbeatMs,
    frameBytesMax: limits.frameBytesMax,
    payloadBytesMax: limits.payloadBytesMax,
    time: ports.clock.now(),
    features: [...(transactions ? ["transactions"] : []), ...services.features.names],
    ...(identity.expiresAt === undefined ? {} : { expiresAt: identity.expiresAt }),
  };
}
