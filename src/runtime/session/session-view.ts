/**
 * What operators see of one session: what its journal says, and what is under way while it is attached.
 *
 * Pure.
 * @module
 */
import type { SubscriptionState } from "../../actors/session/state.ts";
import { type Lane, laneNames, lanes } from "../../protocol/lane.ts";
import type { Delivery } from "../delivery.ts";
import type { ChainView, NakView, SessionView, SubscriptionView } from "../inspection.ts";
import type { Session } from "./session.ts";
import type { Work } from "./work.ts";

/** `work`: undefined while it is detached, or has done nothing yet. */
export function sessionView(session: Session, work: Work | undefined, attachedAt: number): SessionView {
  const { state, peer, ephemeral, services } = session;
  const deliveries = new Map(work?.subscriptions.deliveries().map((delivery) => [delivery.filter, delivery] as const));
  const { publishCreditRecords, publishCreditBytes } = session.limits;
  const outstanding = work?.publishing.outstanding ?? { records: 0, bytes: 0 };
  const credit = {
    records: publishCreditRecords - outstanding.records,
    bytes: publishCreditBytes - outstanding.bytes,
  };
  return {
    id: session.id,
    node: services.node,
    subject: state.subject,
    status: state.status === "ended" ? "ended" : peer === undefined ? "detached" : "attached",
    owner: state.owner,
    ...(peer === undefined ? { detachedAt: state.detachedAt } : { connection: peer.id, attachedSince: attachedAt }),
    openedAt: state.openedAt,
    resumeWindowMs: state.resumeWindowMs,
    ephemeral,
    publishedUpTo: Math.max(session.publishedUpTo, state.publishedUpTo),
    refusedPublishes: state.refused.size,
    subscriptions: [...state.subscriptions.values()].map((held) => subscriptionView(held, deliveries.get(held.filter))),
    ...(peer === undefined ? {} : { credit }),
    openTransactions: work?.transactions.views() ?? [],
  };
}

function subscriptionView(held: SubscriptionState, delivery: Delivery | undefined): SubscriptionView {
  const { filter, qos, naks, ackWaitMs, maxDeliver } = held;
  const mode = delivery === undefined || delivery.mode === "ended" ? "away" : delivery.mode;
  return {
    filter,
    qos,
    mode,
    chains: delivery?.chains() ?? lanes.map((lane) => restingChain(held, lane)),
    window: delivery?.window ?? held.window,
    naks: [...naks.values()].map(
      (nak): NakView => ({
        seq: nak.seq,
        lane: laneNames[nak.lane],
        attempts: nak.attempts,
        dueAt: nak.dueAt,
        reason: nak.reason,
      }),
    ),
    ackWaitMs,
    maxDeliver,
  };
}

function restingChain({ positions }: SubscriptionState, lane: Lane): ChainView {
  const position = positions[lane];
  return { lane: laneNames[lane], position, sent: position, inFlightRecords: 0, inFlightBytes: 0 };
}
