/**
 * What operators may know of each limit: what it bounds and its range. Which of them can change while clients are
 * connected: runtime/live-limits.ts.
 *
 * Pure.
 * @module
 */
import type { Limits } from "../../protocol/limits.ts";

export type LimitNote = {
  readonly text: string;
  /** @default 1 */
  readonly min?: number;
  /** @default that of its unit */
  readonly max?: number;
};

export const limitNotes: { readonly [K in keyof Limits]: LimitNote } = {
  frameBytesMax: { text: "One frame, both ways" },
  frameDepthMax: { text: "Nesting of a frame", min: 4, max: 64 },
  listItemsMax: { text: "Items of one list in a frame" },
  payloadBytesMax: { text: "One record's payload" },
  headersBytesMax: { text: "A record's header names and values together" },
  headersPerRecordMax: { text: "Headers of one record" },
  topicBytesMax: { text: "A topic or filter" },
  topicTokensMax: { text: "Tokens of a topic or filter" },
  textBytesMax: { text: "Any other text in a frame" },
  tokenBytesMax: { text: "A JWT" },
  errorsPerConnectionMax: { text: "Wrong frames of one connection; more close it" },
  framesBeforeWelcomeMax: { text: "Frames between HELLO and WELCOME; more close the connection" },
  framesWaitingMax: { text: "SUBSCRIBE, UNSUBSCRIBE and READ frames that wait; more are not read yet" },
  subscriptionsPerSessionMax: { text: "Subscriptions of one session" },
  naksPerSessionMax: { text: "Records of one session that wait for redelivery" },
  refusedPublishesMax: { text: "Refused publishes that a client has not settled; more close it" },
  transactionsOpenMax: { text: "Open transactions of one session" },
  transactionRecordsMax: { text: "Records of one transaction" },
  transactionBytesMax: { text: "Bytes of one transaction" },
  transactionIdleMs: { text: "An open transaction that nobody touched for so long is rolled back" },
  publishCreditRecords: { text: "Publishes of one connection that are not answered yet; more close it" },
  publishCreditBytes: { text: "The same, in bytes" },
  deliverWindowRecords: { text: "Window of a subscription that names none" },
  deliverWindowBytes: { text: "The same, in bytes" },
  deliverWindowRecordsMax: { text: "A wider window is cut to this" },
  deliverWindowBytesMax: { text: "The same, in bytes" },
  handshakeMs: { text: "From the open socket to HELLO, and from HELLO to WELCOME" },
  handshakesMax: { text: "Unfinished handshakes at once; more are answered 503" },
  heartbeatMs: { text: "A silent connection is sent a PING so often" },
  pongMs: { text: "Silence after a PING that ends the connection" },
  congestedMs: { text: "A socket that takes no byte for so long is closed" },
  owedBytesMax: { text: "Answers that a full socket did not take; more close it" },
  drainMs: { text: "Time that a closing connection's last frames have" },
  resumeWindowMs: { text: "How long a detached session can be resumed when its client names no time" },
  resumeWindowMsMax: { text: "A longer window that a client asks for is cut to this" },
  ackWaitMs: { text: "Unacknowledged for so long is delivered again, when SUBSCRIBE names no time" },
  ackWaitMsMin: { text: "A shorter wait that a client asks for is raised to this" },
  ackWaitMsMax: { text: "A longer one is cut to this" },
  ackWaitBackoffMs: { text: "The wait doubles up to this while nothing is acknowledged" },
  maxDeliver: { text: "Tries before a record goes to its dead-letter topic; 0: no end", min: 0 },
  maxDeliverMax: { text: "A higher number that a client asks for is cut to this" },
  nakDelayMs: { text: "Delay of the first redelivery when NAK names none; it doubles" },
  nakDelayMsMax: { text: "A longer delay is cut to this" },
  deliverRecordsMax: { text: "Records of one DELIVER" },
  deliverBytesMax: { text: "Bytes of one DELIVER or PAGE" },
  pageRecordsMax: { text: "Records of one PAGE" },
  lookaheadRecords: { text: "How far a subscription that is behind looks ahead for higher lanes" },
  requestsOpenMax: { text: "Requests of one connection that wait for their response" },
  requestsServingMax: { text: "Requests given to one connection that serves, and not answered" },
  requestsPerNodeMax: { text: "Requests of all clients of this gateway that wait for their response" },
  requestDeadlineMs: { text: "Time for a response when the request names none" },
  requestDeadlineMsMax: { text: "A longer time that a client asks for is cut to this" },
  filtersServedMax: { text: "Filters that one connection may serve" },
  poolsMax: { text: "Pools" },
  poolMembersMax: { text: "Members of one pool" },
  poolsPerSessionMax: { text: "Pools that one connection may be a member of" },
  poolCapacityMax: { text: "Records that a member of a pool may have at once" },
  poolTagsMax: { text: "Tags of a member of a pool" },
  poolMemberBytesMax: { text: "Bytes that a member of a pool has at once; a larger record comes alone" },
  poolWaitingRecordsMax: { text: "Records of a pool that are read and wait for a member" },
  poolWaitingBytesMax: { text: "The same, in bytes" },
  poolRetriesMax: { text: "Failed records of a pool that wait for their next try" },
  presencePerSessionMax: { text: "Topics that one session may be present on, and that one connection may watch" },
  presencePerTopicMax: { text: "Members of one topic" },
  presenceDataBytesMax: { text: "What a member tells of itself on one topic" },
  presenceGraceMs: { text: "A member without a connection is shown for so long, and so are those of a lost gateway" },
};

const maxima: Readonly<Record<string, number>> = { ms: 31_622_400_000, bytes: 1_073_741_824 };
const countMax = 1_000_000_000;

/** Inclusive. */
export function limitRange(name: keyof Limits): { readonly min: number; readonly max: number } {
  const { min = 1, max = maxima[unitOf(name) ?? ""] ?? countMax } = limitNotes[name];
  return { min, max };
}

/** The name says it: a unit stands last, before Max or Min. */
export function unitOf(name: string): string | undefined {
  const [, unit] = /(Ms|[bB]ytes|[rR]ecords)(?:Max|Min)?$/.exec(name) ?? [];
  return unit?.toLowerCase();
}
