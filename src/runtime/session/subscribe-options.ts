/**
 * Turns what SUBSCRIBE asks for into positions and bounded options.
 * @module
 */
import type { LanePositions, SubscriptionState } from "../../actors/session/state.ts";
import type { StartAt, Subscribe } from "../../protocol/frame.ts";
import type { Seq } from "../../protocol/ids.ts";
import type { Limits } from "../../protocol/limits.ts";
import { planResume, type ResumeAnswer, resumeAfter } from "../../protocol/position.ts";
import type { EventLog } from "../log/event-log.ts";

export type Start = {
  /** Kept for the receiver; where the answer is `trimmed`, delivery begins later. */
  readonly positions: LanePositions;
  /** Up to this seq only the newest record of each topic is delivered. */
  readonly lastOnlyUpTo: Seq;
  readonly answer: ResumeAnswer;
};

/** `head`: where the hub stands; nothing beyond it is promised. */
export async function startOf(start: StartAt, log: EventLog, head: Seq): Promise<Start> {
  const info = log.info();
  const { firstSeq } = info;
  switch (start.kind) {
    case "new":
      return from(head, { kind: "upToDate" });
    case "all":
      return from(firstSeq - 1, firstSeq > head ? { kind: "upToDate" } : { kind: "replay", from: firstSeq });
    case "last":
      return { ...from(firstSeq - 1, { kind: "replay", from: firstSeq }), lastOnlyUpTo: head };
    case "time": {
      const first = Math.min(await log.seqAtTime(start.time), head + 1);
      return from(first - 1, first > head ? { kind: "upToDate" } : { kind: "replay", from: first });
    }
    case "position": {
      const bounds = { ...info, lastSeq: Math.max(head, firstSeq - 1) };
      const answer = planResume({ epoch: start.epoch, seq: start.seq }, bounds);
      return from(answer.kind === "trimmed" ? start.seq : resumeAfter(start.seq, answer), answer);
    }
  }
}

function from(seq: Seq, answer: ResumeAnswer): Start {
  return { positions: [seq, seq, seq, seq], lastOnlyUpTo: 0, answer };
}

/** What was asked for, within the limits. */
export function bounded(
  frame: Subscribe,
  limits: Limits,
): Omit<SubscriptionState, "filter" | "positions" | "lastOnlyUpTo" | "naks"> {
  const window = frame.window ?? { records: limits.deliverWindowRecords, bytes: limits.deliverWindowBytes };
  return {
    qos: frame.qos ?? 1,
    window: {
      records: Math.min(window.records, limits.deliverWindowRecordsMax),
      bytes: Math.min(window.bytes, limits.deliverWindowBytesMax),
    },
    congestion: frame.congestion ?? "skip",
    ackWaitMs: Math.min(Math.max(frame.ackWaitMs ?? limits.ackWaitMs, limits.ackWaitMsMin), limits.ackWaitMsMax),
    maxDeliver: Math.min(frame.maxDeliver ?? limits.maxDeliver, limits.maxDeliverMax),
  };
}
