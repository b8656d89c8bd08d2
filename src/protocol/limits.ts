/**
 * Every bound that a peer can meet, unit last. Configuration may lower or raise the ones it names
 * (src/ops/config); these are the defaults, and WELCOME tells the ones in force.
 *
 * Pure. Owns: limits do not contradict each other (asserted below).
 * @module
 */
import { assert } from "./assert.ts";

export const limits = {
  /** One frame on the wire, both ways, before decoding. Larger: close `frameTooLarge`. */
  frameBytesMax: 1_048_576,
  /** Nesting of a decoded frame. Deeper: close `frameTooDeep`. Stops stack exhaustion in parsers. */
  frameDepthMax: 8,
  /** Items of one list in a frame (records, acks, chains, heads). */
  listItemsMax: 4_096,
  /** One record's payload. Larger: that publish is refused with `payloadTooLarge`. */
  payloadBytesMax: 524_288,
  /** A record's headers, keys and values together, UTF-8. */
  headersBytesMax: 4_096,
  headersPerRecordMax: 32,
  /** A topic or filter, UTF-8. */
  topicBytesMax: 256,
  topicTokensMax: 16,
  /** A reason, token or name carried as text in a control frame. */
  textBytesMax: 1_024,
  /** A JWT in HELLO or AUTH. */
  tokenBytesMax: 8_192,

  /** Frames that were unknown, out of shape or out of place, after which a client is taken for broken: close `tooManyErrors`. */
  errorsPerConnectionMax: 64,
  /** Frames that may come after HELLO and before WELCOME. More: close `protocolViolation`. */
  framesBeforeWelcomeMax: 512,
  /** SUBSCRIBE, UNSUBSCRIBE and READ frames that wait their turn. More: the socket is not read until fewer do. */
  framesWaitingMax: 256,

  /** Subscriptions that one session may hold. More: ERROR `tooManySubscriptions`. */
  subscriptionsPerSessionMax: 512,
  /** Records waiting for a later redelivery, per session. More: ERROR `tooManyNaks`. */
  naksPerSessionMax: 1_024,
  /** Refused publishes that the client has not yet seen settled. More: close `tooManyRefused`. */
  refusedPublishesMax: 1_024,
  /** Transactions open at once in one session. More: ERROR `tooManyTransactions`. */
  transactionsOpenMax: 8,
  /** Records of one transaction. More: ERROR `transactionTooLarge`, and it is rolled back. */
  transactionRecordsMax: 256,
  transactionBytesMax: 524_288,
  /** An open transaction that nobody touched is rolled back after this. */
  transactionIdleMs: 60_000,

  /** Credit that a gateway grants for publishes not yet PUBLISHED. Past it: close `creditOverrun`. */
  publishCreditRecords: 8_192,
  publishCreditBytes: 4_194_304,
  /** Window that a subscription has for records not yet ACKed, when SUBSCRIBE names none. */
  deliverWindowRecords: 8_192,
  deliverWindowBytes: 1_048_576,
  deliverWindowRecordsMax: 65_536,
  deliverWindowBytesMax: 16_777_216,

  /** From upgrade to HELLO (later: close `handshakeTimeout`), and from HELLO to WELCOME (later: close `overloaded`). */
  handshakeMs: 10_000,
  /** Sockets that have not finished their handshake, per node. More: upgrade answered 503. */
  handshakesMax: 10_000,
  /** The gateway PINGs a connection from which it has heard nothing for this long. */
  heartbeatMs: 20_000,
  /** A PING unanswered for this long ends the socket (`heartbeatTimeout`). */
  pongMs: 10_000,
  /** A socket that stays congested for this long without taking a byte is ended (`slowConsumer`). */
  congestedMs: 120_000,
  /** Answers and notices that a full socket did not take, kept until it drains. More: close `slowConsumer`. */
  owedBytesMax: 1_048_576,
  /** Time for the rest of a closing connection's frames to leave. */
  drainMs: 5_000,

  /** How long a detached session can be resumed, unless HELLO asks for another time. */
  resumeWindowMs: 300_000,
  resumeWindowMsMax: 7 * 86_400_000,

  /** No ACK for records in flight for this long: deliver again from the acknowledged position. */
  ackWaitMs: 30_000,
  ackWaitMsMin: 100,
  ackWaitMsMax: 3_600_000,
  /** Growth of that time with each try without progress: ×2, at most this. */
  ackWaitBackoffMs: 300_000,
  /** Tries after which a record NAKed or never acknowledged goes to `$dead.<topic>`. 0: without end. */
  maxDeliver: 10,
  maxDeliverMax: 1_000,
  nakDelayMs: 1_000,
  nakDelayMsMax: 3_600_000,

  /** Records and bytes of one DELIVER or PAGE frame. */
  deliverRecordsMax: 512,
  deliverBytesMax: 262_144,
  pageRecordsMax: 1_000,

  /** How far a reader looks ahead for higher lanes. */
  lookaheadRecords: 4_096,
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
