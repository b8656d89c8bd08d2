/**
 * Positions, and the receiver's rule: all of exactly-once on the way out.
 *
 * A DELIVER frame says: "these are all the records of this chain in (max(prev, last), upTo]". A receiver that holds
 * everything up to `last` therefore knows, from the frame alone, whether it may accept it. Why an interval
 * and not only a predecessor: docs/adr/0003.
 *
 * Pure. Used unchanged by the SDK, the simulator's checkers and the conformance suite.
 * @module
 */
import type { LogEpoch, Seq } from "./ids.ts";

export type Position = { readonly epoch: LogEpoch; readonly seq: Seq };

/** The part of a log that one DELIVER frame covers: every record of the chain in (prev, upTo]. */
export type Interval = { readonly prev: Seq; readonly upTo: Seq };

/**
 * What a receiver that holds everything up to `last` does with an interval.
 * `seen`: nothing new, skip it · `accept`: take the records with seq > last, then last = upTo ·
 * `hole`: something between `last` and `prev` is missing, ask again from `last`.
 */
export function receive(last: Seq, interval: Interval): "seen" | "accept" | "hole" {
  if (interval.upTo <= last) return "seen";
  return interval.prev <= last ? "accept" : "hole";
}

/** An epoch that ended because the log lost its end. Up to `last` its seqs mean the same records still. */
export type EarlierEpoch = { readonly epoch: LogEpoch; readonly last: Seq };

/** What a log still holds. `firstSeq` is lastSeq + 1 when it holds nothing. */
export type LogBounds = {
  readonly epoch: LogEpoch;
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
  /** In their order. */
  readonly earlier?: readonly EarlierEpoch[];
};

/** The closed set of answers to "go on from here". Never a silent restart. */
export type ResumeAnswer =
  | { readonly kind: "upToDate" }
  /** Records from this seq on follow. */
  | { readonly kind: "replay"; readonly from: Seq }
  /** What lay before `first` is no longer held; delivery goes on there. */
  | { readonly kind: "trimmed"; readonly first: Seq }
  /** The log was made anew: the position means nothing in it. Delivery starts at `first`. */
  | { readonly kind: "epochChanged"; readonly first: Seq }
  /** The position is past the end of the log: the log lost its tail, or the position is another log's. */
  | { readonly kind: "ahead"; readonly last: Seq };

export type ResumeKind = ResumeAnswer["kind"];
export const resumeKinds = [
  "upToDate",
  "replay",
  "trimmed",
  "epochChanged",
  "ahead",
] as const satisfies readonly ResumeKind[];

/** Answers a holder of `held` (everything up to and including `held.seq`). */
export function planResume(held: Position, log: LogBounds): ResumeAnswer {
  const last = lastTrue(held.epoch, log);
  if (last === undefined) return { kind: "epochChanged", first: log.firstSeq };
  if (held.seq > last) return { kind: "ahead", last };
  if (held.seq > log.lastSeq) return { kind: "ahead", last: log.lastSeq };
  if (held.seq < log.firstSeq - 1) return { kind: "trimmed", first: log.firstSeq };
  if (held.seq === log.lastSeq) return { kind: "upToDate" };
  return { kind: "replay", from: (held.seq + 1) as Seq };
}

/** How far seqs of an epoch mean what they mean now; undefined: they mean nothing. */
export function lastTrue(
  epoch: LogEpoch,
  { epoch: now, earlier = [] }: Pick<LogBounds, "epoch" | "earlier">,
): Seq | undefined {
  if (epoch === now) return Number.POSITIVE_INFINITY;
  const at = earlier.findIndex((each) => each.epoch === epoch);
  return at === -1 ? undefined : Math.min(...earlier.slice(at).map(({ last }) => last));
}

/** The seq after which delivery goes on, given the answer. */
export function resumeAfter(held: Seq, answer: ResumeAnswer): Seq {
  switch (answer.kind) {
    case "upToDate":
    case "replay":
      return held;
    case "trimmed":
    case "epochChanged":
      return (answer.first - 1) as Seq;
    case "ahead":
      return answer.last;
  }
}
