/**
 * Why something ended, was refused or was lost, for operators: one sentence for each cause that a journal, a close or an
 * error can name, the setting that decides it, and what to do. What a client is told stays in its own table (close-code.ts,
 * error-code.ts); where an operator can do nothing else, that advice is the operator's too.
 *
 * Pure. docs/causes.md is made from this.
 * @module
 */
import { type CloseName, closeCodes } from "./close-code.ts";
import { type ErrorName, errorCodes } from "./error-code.ts";

/** Settings by their own name, without the section that configuration keeps them in. */
export type CauseRow = { readonly sentence: string; readonly advice?: string; readonly setting?: string };
export type Cause = {
  readonly name: string;
  readonly sentence: string;
  readonly advice: string;
  readonly setting?: string;
};

const ofCloses = {
  goingAway: {
    sentence: "The gateway was stopping or draining",
    advice: "Nothing to do: clients resume on another node",
  },
  heartbeatTimeout: {
    sentence: "The client did not answer a PING in time",
    advice: "Its network is gone, or its process stood still; raise the time where that is usual",
    setting: "pongMs",
  },
  slowConsumer: {
    sentence: "The client's socket took nothing for too long, or was owed too many answers",
    advice: "Its network is too slow or its application does not read; let it subscribe less, or raise the time",
    setting: "congestedMs",
  },
  overloaded: {
    sentence: "The gateway had no room for the connection in time",
    advice: "Add a node, or raise the bound on sessions; look at the log's latency and at the issuer of signing keys",
    setting: "sessionsMax",
  },
  internal: {
    sentence: "A bug of the gateway ended the connection",
    advice: "Report it with the gateway's log and a segment (weir record)",
  },
  logUnavailable: {
    sentence: "The event log could not be reached or did not take a write in time",
    advice: "Look at the log's servers and disk; clients come again by themselves",
  },
  idle: { sentence: "Nothing was sent on the connection for long" },
  sessionEnded: { sentence: "The session was closed", advice: "The client has to open a new one" },
  superseded: {
    sentence: "Another connection took the session over",
    advice: "Usual after a change of network; if it goes on and on, two processes use one store of session and key",
  },
  unauthenticated: {
    sentence: "The client sent no token, or one that does not hold",
    advice: "Give the client a valid token",
  },
  tokenExpired: {
    sentence: "The client's token ran out",
    advice: "Let the client renew its token in time (AUTH on the live connection)",
  },
  forbidden: {
    sentence: "The token that the client renewed names somebody else",
    advice: "Renew tokens for the same subject",
  },
  disconnected: {
    sentence: "An operator ended the connection",
    advice:
      "See the audit journal for who and why. An SDK client ends with it; its session waits its resume window for a program that connects with the same store",
  },
  handshakeTimeout: {
    sentence: "The client opened a socket and sent no HELLO in time",
    advice: "Not a client of this protocol, or a very slow one",
    setting: "handshakeMs",
  },
  protocolViolation: {
    sentence: "The client broke the protocol",
    advice: "Correct the client: the error before the close says what",
  },
  frameTooLarge: {
    sentence: "The client sent a frame larger than allowed",
    advice: "Send smaller frames, or raise the bound",
    setting: "frameBytesMax",
  },
  creditOverrun: {
    sentence: "The client published past the credit that it was granted",
    advice: "Correct the client; the SDK keeps to its credit",
    setting: "publishCreditRecords",
  },
  tooManyRefused: {
    sentence: "The client had too many refused publishes that it never reported as seen",
    advice: "See why its publishes are refused",
    setting: "refusedPublishesMax",
  },
  tooManyErrors: {
    sentence: "Too many frames of the client were out of shape or out of place",
    advice: "Correct the client",
    setting: "errorsPerConnectionMax",
  },
} as const satisfies Record<CloseName, CauseRow>;

/** Names that a close has too (frameTooLarge, unauthenticated, …) are told there. */
const ofErrors = {
  frameTooDeep: { sentence: "A frame was nested too deep" },
  malformedFrame: { sentence: "A frame could not be decoded" },
  unknownFrame: { sentence: "A frame has a number that this version does not know" },
  badFrameShape: { sentence: "A frame lacks a field or has a wrong one" },
  unexpectedFrame: { sentence: "A frame came where it may not come" },
  featureUnavailable: { sentence: "A frame belongs to a feature that this gateway does not offer" },
  tokenInvalid: { sentence: "The token does not hold" },
  publishForbidden: {
    sentence: "The token does not allow publishing to the topic",
    advice: "Widen the token's publish claim, or the anonymous one",
    setting: "anonymous.publish",
  },
  subscribeForbidden: {
    sentence: "The token does not allow subscribing the filter",
    advice: "Widen the token's subscribe claim, or the anonymous one",
    setting: "anonymous.subscribe",
  },
  badTopic: { sentence: "The topic is not one" },
  badFilter: { sentence: "The filter is not one" },
  reservedTopic: { sentence: "The topic begins with $, where the gateway alone writes" },
  alreadySubscribed: { sentence: "The session holds the filter already" },
  notSubscribed: { sentence: "The session does not hold the filter" },
  tooManySubscriptions: {
    sentence: "The session holds as many filters as it may",
    setting: "subscriptionsPerSessionMax",
  },
  unknownChain: { sentence: "The chain is not one of this connection" },
  badPosition: { sentence: "The client acknowledged what it was not sent" },
  tooManyNaks: { sentence: "As many records wait for a later try as may", setting: "naksPerSessionMax" },
  deadLettered: {
    sentence: "A record was delivered as often as allowed and never processed",
    advice: "Read $dead.<topic>, correct the consumer, or allow more tries",
    setting: "maxDeliver",
  },
  payloadTooLarge: { sentence: "The payload is larger than allowed", setting: "payloadBytesMax" },
  headersTooLarge: { sentence: "The headers are larger than allowed", setting: "headersBytesMax" },
  epochChanged: {
    sentence: "The client named a place in a log that was made anew since",
    advice: "Nothing to do if that was meant: the client begins at the log's first record",
  },
  publishNumbering: { sentence: "Publishes were not numbered one after the other" },
  transactionsUnavailable: { sentence: "The log cannot commit several records at once" },
  unknownTransaction: { sentence: "The transaction was not begun on this connection" },
  tooManyTransactions: { sentence: "As many transactions are open as may", setting: "transactionsOpenMax" },
  transactionTooLarge: { sentence: "The transaction holds more than allowed", setting: "transactionRecordsMax" },
  transactionExpired: { sentence: "Nobody touched the transaction for too long", setting: "transactionIdleMs" },
  logFull: {
    sentence: "The log's disk or stream is full",
    advice: "Free disk space, or let retention keep less",
    setting: "retention.bytes",
  },
  noResponders: { sentence: "A request was made for a topic that nobody serves" },
  deadlineExceeded: {
    sentence: "A request was not answered in time",
    advice: "Look at the responder's load; allow more time",
    setting: "requestDeadlineMs",
  },
  responderFailed: {
    sentence: "The responder of a request went away before it answered",
    advice: "See the end of the responder's connection for why",
  },
  tooManyRequests: {
    sentence: "As many requests as may wait for their response",
    advice: "Start more responders, or raise the bound",
    setting: "requestsOpenMax",
  },
  notServed: { sentence: "The connection does not serve the filter" },
  tooManyServed: { sentence: "The connection serves as many filters as it may", setting: "filtersServedMax" },
  presenceTooMany: { sentence: "The session is present on, or watches, as many topics as it may" },
  poolUnknown: { sentence: "No pool has that name" },
  notMember: { sentence: "The connection is no member of the pool" },
  alreadyMember: { sentence: "The connection is a member of the pool already" },
  poolUnavailable: { sentence: "No node gives out the pool's work at this moment" },
  itemNotYours: { sentence: "The item of work is not the member's, or is no longer" },
  tooManyMembers: { sentence: "The pool has as many members as it may" },
  ticketRefused: {
    sentence: "The client's ticket has expired, is forged, or is for another node",
    advice: "If it goes on, see whether clients reach the node that it names by its discovery.url, and compare clocks",
  },
} as const satisfies Partial<Record<ErrorName, CauseRow>>;

/** What only journals name. */
const ofJournals = {
  poolDeleted: {
    sentence: "An operator deleted the pool",
    advice: "Nothing, or make the pool again",
  },
  removed: {
    sentence: "An operator took the member out of its pool",
    advice: "Nothing, or start the worker again",
  },
  drained: { sentence: "The member got nothing new, and is done with what it had", advice: "Nothing" },
  notHeard: {
    sentence: "The member's node did not name it any more",
    advice: "See whether that node runs; the member joins again by itself",
  },
  left: { sentence: "The member left its pool", advice: "Nothing" },
  socketClosed: {
    sentence: "The socket was closed or lost from the client's side",
    advice: "1000, 1001 and 1005: the client left; 1006: the network between was lost, or the client's process ended",
  },
  nodeLost: {
    sentence: "The node that had the session died",
    advice: "See that process's last lines and its memory; sessions are found by the next start or another node",
  },
  nodeStoodStill: {
    sentence: "The node stood still, and could not learn in time whether the session is still its own",
    advice: "See what stopped the process (suspended machine, swap, SIGSTOP), and whether the log can be reached",
  },
  tooManyHandshakes: {
    sentence: "More clients came at once than the node takes up; this one was told when to come",
    advice: "Nothing to do after the loss of a node; raise the rate where clients wait too long, or add a node",
    setting: "admissionPerSecondMax",
  },
  nodeStopping: {
    sentence: "The node was stopped",
    advice: "Nothing to do: clients resume on another node or after the start",
  },
  redirected: {
    sentence: "Another node was better for the client, which was sent there before its session opened",
    advice: "Nothing to do: GET /api/v1/balancer/decisions tells why",
    setting: "redirect",
  },
  draining: {
    sentence: "The node was draining: clients were asked to go elsewhere",
    advice: "Nothing to do: clients resume on another node",
  },
  expiredByOperator: {
    sentence: "An operator ended the session",
    advice: "See the audit journal for who; the client goes on in a new session",
  },
  closedInHandshake: {
    sentence: "The client left before it was answered",
    advice: "Its patience is shorter than the log's answer",
  },
  noToken: {
    sentence: "The client of a plain JSON socket sent no token in time, and anonymous clients may not read there",
    advice: "Send the token as first message or subprotocol (docs/rest.md), or let anonymous clients read the topic",
    setting: "anonymous.subscribe",
  },
  authenticationUnavailable: {
    sentence: "Nobody could tell whether the token holds",
    advice: "The issuer's signing keys cannot be read",
    setting: "jwt.jwksUrl",
  },
  actorCrashed: {
    sentence: "The actor threw, a bug",
    advice: "Report it with the gateway's log and a segment (weir record)",
  },
  crashedTooOften: {
    sentence: "The session's actor threw again and again, and was given up",
    advice: "Report it with the gateway's log and a segment (weir record)",
  },
  tooManyFramesBeforeWelcome: {
    sentence: "The client sent too many frames before WELCOME",
    setting: "framesBeforeWelcomeMax",
    advice: "Correct the client",
  },
  subjectChanged: {
    sentence: "Session and token belong to different subjects",
    advice: "Open a new session for another subject",
  },
  sessionUnknown: {
    sentence: "The session that the client asked for is not in the log",
    advice: "The log was made anew, or the journal of the ended session is no longer kept",
  },
  sessionExpired: {
    sentence: "The session that the client asked for had ended: nobody came back inside its resume window",
    advice: "Allow more time away",
    setting: "resumeWindowMs",
  },
  resumeKeyWrong: {
    sentence: "The client does not hold the session's key",
    advice: "It lost its store, or it is somebody else",
  },
  expired: {
    sentence: "The client did not come back inside the resume window: the session and its positions are over",
    advice: "Allow more time away",
    setting: "resumeWindowMs",
  },
  ackTimeout: {
    sentence: "The client never acknowledged the record, however often it was delivered",
    advice: "Its handler hangs or takes longer than the ack wait; allow it more time, or more tries",
    setting: "ackWaitMs",
  },
  nak: {
    sentence: "The client gave the record back",
    advice: "See the client's log for why; with more tries or a longer delay a passing trouble passes",
    setting: "maxDeliver",
  },
  trimmed: {
    sentence: "Retention took the record before it was processed",
    advice: "Keep records longer than consumers may be away or behind",
    setting: "retention",
  },
  behind: {
    sentence: "The session has records in the log that it has not acknowledged",
    advice: "Its handler is slower than what is published: raise its window, split its filter, or speed it up",
    setting: "deliverWindowRecords",
  },
  permissionChanged: {
    sentence: "The client's newer token does not allow the filter any more",
    advice: "Widen the token's subscribe claim, if that was not meant",
  },
  asked: { sentence: "The client asked for it", advice: "Nothing to do" },
  logCopied: {
    sentence: "The log was copied into another, where places are new",
    advice: "Clients open new sessions by themselves",
  },
  rollback: { sentence: "The transaction was rolled back", advice: "The client begins it again" },
  unknown: {
    sentence: "The cause has no entry here",
    advice: "Whoever gave it says it in the words that it is named by",
  },
} as const satisfies Record<string, CauseRow>;

const rows: Readonly<Record<string, CauseRow>> = { ...ofErrors, ...ofCloses, ...ofJournals };

/** Every name that has a row. */
export const causeNames: readonly string[] = Object.keys(rows).sort();

/** Is it named in this table? Other causes are somebody's own words. */
export function isCause(text: string): boolean {
  return Object.hasOwn(rows, text) || Object.hasOwn(rows, text.split(" ")[0] as string);
}

/** A cause as a journal, a close or an error names it: `socketClosed 1006` is a `socketClosed`. */
export function causeOf(text: string): Cause {
  const [first = ""] = text.split(" ");
  const name = Object.hasOwn(rows, text) ? text : Object.hasOwn(rows, first) ? first : "unknown";
  const row = rows[name] as CauseRow;
  const setting = row.setting === undefined ? {} : { setting: row.setting };
  return {
    name: name === "unknown" ? text : name,
    sentence: row.sentence,
    advice: row.advice ?? told(name),
    ...setting,
  };
}

/** What a client is told. */
function told(name: string): string {
  if (name in closeCodes) return closeCodes[name as CloseName].advice;
  return errorCodes[name as ErrorName].advice;
}
