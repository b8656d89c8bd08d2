/**
 * Every bound that a peer can meet, unit last. Configuration may lower or raise the ones it names
 * (src/ops/config); these are the defaults, and WELCOME tells the ones in force.
 *
 * Pure. Owns: limits do not contradict each other (asserted below).
 * @module
 */
import { assert } from "./assert.ts";
import { coreLimits } from "./core-limits.ts";

export const limits = {
  ...coreLimits,

  /** Requests of one connection that wait for their response. More: ERROR `tooManyRequests`. */
  requestsOpenMax: 256,
  /** Requests that one connection was given and has not answered. More: another who serves is asked, or ERROR `tooManyRequests`. */
  requestsServingMax: 256,
  /** Requests of clients that wait for their response, per node. More: ERROR `tooManyRequests`. */
  requestsPerNodeMax: 65_536,
  /** Time for a response when REQUEST names none. Later: ERROR `deadlineExceeded`. */
  requestDeadlineMs: 5_000,
  requestDeadlineMsMax: 300_000,
  /** Filters that one connection may serve. More: ERROR `tooManyServed`. */
  filtersServedMax: 64,

  /** Pools of all nodes. More: they are not made. */
  poolsMax: 256,
  /** Members of one pool. More: ERROR `tooManyMembers`. */
  poolMembersMax: 10_000,
  /** Pools that one connection may be a member of. More: ERROR `tooManyMembers`. */
  poolsPerSessionMax: 16,
  /** Records that a member may have at once. A JOIN with more: ERROR `badFrameShape`. */
  poolCapacityMax: 4_096,
  poolTagsMax: 16,
  /** Bytes that a member has at once; a record that is larger comes alone. */
  poolMemberBytesMax: 524_288,
  /** Records of one pool that are read and wait for a member. At it, nothing more is read. */
  poolWaitingRecordsMax: 1_024,
  poolWaitingBytesMax: 4_194_304,
  /** Records of one pool that failed and wait for their next try. At it, nothing more is read. */
  poolRetriesMax: 1_024,
  /** Topics that one session may be present on, and that one connection may watch. More: ERROR `presenceTooMany`. */
  presencePerSessionMax: 64,
  /** Members of one topic, as this node knows them. More: ERROR `presenceTooMany`. */
  presencePerTopicMax: 10_000,
  /** What a member tells of itself on one topic. Larger: ERROR `payloadTooLarge`. */
  presenceDataBytesMax: 1_024,
  /** A member without a connection is shown for so long, and so are those of a lost node. */
  presenceGraceMs: 5_000,
} as const;

export type Limits = { readonly [K in keyof typeof limits]: number };

export type LimitName = keyof Limits;
/** What does not hold, the limits that take part in it first. */
export type LimitsProblem = { readonly names: readonly LimitName[]; readonly message: string };

/** `left` together is in that relation to `right` together. */
type Relation = {
  readonly left: readonly LimitName[];
  readonly is: "above" | "at least" | "at most" | "below";
  readonly twice?: boolean;
  readonly right: readonly LimitName[];
  readonly so: string;
};

function relations(): readonly Relation[] {
  return [
    {
      left: ["payloadBytesMax", "headersBytesMax", "topicBytesMax"],
      is: "below",
      right: ["frameBytesMax"],
      so: "a record fits in a frame",
    },
    { left: ["deliverBytesMax"], is: "below", right: ["frameBytesMax"], so: "a full delivery fits in a frame" },
    {
      left: ["deliverWindowBytes"],
      is: "at least",
      right: ["payloadBytesMax"],
      so: "one record always fits in the window, or it could never be sent",
    },
    {
      left: ["publishCreditBytes"],
      is: "at least",
      right: ["frameBytesMax"],
      so: "one frame of publishes always fits in the credit",
    },
    {
      left: ["transactionBytesMax"],
      is: "at most",
      right: ["frameBytesMax"],
      so: "a transaction stays appendable at once",
    },
    {
      left: ["resumeWindowMs"],
      is: "above",
      twice: true,
      right: ["heartbeatMs", "pongMs"],
      so: "resume outlives the detection of a loss",
    },
    { left: ["ackWaitMs"], is: "at least", right: ["ackWaitMsMin"], so: "the default ack wait is in range" },
    { left: ["ackWaitMs"], is: "at most", right: ["ackWaitMsMax"], so: "the default ack wait is in range" },
    {
      left: ["requestDeadlineMs"],
      is: "at most",
      right: ["requestDeadlineMsMax"],
      so: "the default deadline of a request is in range",
    },
  ];
}

/** Where limits contradict each other; `shown`: a limit's name for people. */
export function limitsProblems(l: Limits, shown = (name: LimitName): string => name): readonly LimitsProblem[] {
  const problems: LimitsProblem[] = [];
  for (const name of Object.keys(l) as LimitName[]) {
    // HELLO with positions, the deepest frame that every client sends, can be decoded.
    const least = name === "maxDeliver" ? 0 : name === "frameDepthMax" ? 4 : 1;
    if (!Number.isSafeInteger(l[name]) || l[name] < least)
      problems.push({ names: [name], message: `${shown(name)} must be a whole number from ${least}, got ${l[name]}` });
  }
  const sum = (names: readonly LimitName[]): number => names.reduce((total, name) => total + l[name], 0);
  const text = (names: readonly LimitName[]): string => names.map((name) => shown(name)).join(" + ");
  for (const { left, is, twice = false, right, so } of relations()) {
    const [a, b] = [sum(left), sum(right) * (twice ? 2 : 1)];
    if ({ above: a > b, "at least": a >= b, "at most": a <= b, below: a < b }[is]) continue;
    const bound = twice ? `twice the sum of ${text(right)}` : text(right);
    problems.push({
      names: [...left, ...right],
      message: `${text(left)} (${a}) must be ${is} ${bound} (${b}): ${so}`,
    });
  }
  return problems;
}

/** Throws where limits contradict each other: every gateway at its start, and before a change. */
export function assertLimits(l: Limits): void {
  const [first] = limitsProblems(l);
  assert(first === undefined, first?.message ?? "");
}
