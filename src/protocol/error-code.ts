/**
 * Numbered errors that answer one frame; the connection goes on (why a socket ends: close-code.ts).
 * 100–199 the frame · 200–299 permission · 300–399 topics and subscriptions · 400–499 publishing ·
 * 500–599 transactions · 600–699 the gateway's state, worth trying again · 700–799 features.
 *
 * Pure. A number is never given a second meaning. The SDK carries the numbers alone: code-numbers.ts.
 * @module
 */

export const errorCodes = {
  frameTooLarge: { code: 100, retryable: false, advice: "Send smaller frames; WELCOME tells frameBytesMax" },
  frameTooDeep: { code: 101, retryable: false, advice: "Do not nest values; payloads are opaque bytes" },
  malformedFrame: { code: 102, retryable: false, advice: "Encode frames as the negotiated subprotocol says" },
  unknownFrame: { code: 103, retryable: false, advice: "Send only frames of the table in docs/protocol/v1.md" },
  badFrameShape: { code: 104, retryable: false, advice: "Correct the field that the message names" },
  unexpectedFrame: {
    code: 105,
    retryable: false,
    advice: "Send HELLO first and once, and only frames that clients send",
  },
  featureUnavailable: { code: 106, retryable: false, advice: "Use only the features that WELCOME names" },

  unauthenticated: { code: 200, retryable: false, advice: "Send a valid token in HELLO" },
  tokenInvalid: {
    code: 201,
    retryable: false,
    advice: "Get a new token; its signature, issuer, audience or time does not hold",
  },
  publishForbidden: { code: 210, retryable: false, advice: "Ask for a token whose publish claim covers the topic" },
  subscribeForbidden: {
    code: 211,
    retryable: false,
    advice: "Ask for a token whose subscribe claim covers the filter",
  },

  badTopic: { code: 300, retryable: false, advice: "Use tokens joined by dots, without wildcards or spaces" },
  badFilter: {
    code: 301,
    retryable: false,
    advice: "Use tokens joined by dots; * stands for one token, a last > for the rest",
  },
  reservedTopic: { code: 302, retryable: false, advice: "Topics that begin with $ are written by the gateway alone" },
  alreadySubscribed: { code: 303, retryable: false, advice: "Unsubscribe it first" },
  notSubscribed: { code: 304, retryable: false, advice: "Subscribe the filter first" },
  tooManySubscriptions: {
    code: 305,
    retryable: false,
    advice: "Use a wildcard filter, or raise subscriptionsPerSessionMax",
  },
  unknownChain: { code: 306, retryable: false, advice: "Use chain ids of SUBSCRIBED on this connection" },
  badPosition: { code: 307, retryable: false, advice: "Name only records that were delivered on this chain" },
  tooManyNaks: { code: 308, retryable: true, advice: "Settle redelivered records first" },
  deadLettered: { code: 309, retryable: false, advice: "Read $dead.<topic> to see why it failed" },
  epochChanged: {
    code: 310,
    retryable: false,
    advice: "Start at all or a time",
  },

  payloadTooLarge: { code: 400, retryable: false, advice: "Split the payload, or raise payloadBytesMax" },
  headersTooLarge: { code: 401, retryable: false, advice: "Use fewer or shorter headers" },
  publishNumbering: { code: 402, retryable: false, advice: "Number publishes 1, 2, 3 … in the session, without gaps" },

  transactionsUnavailable: {
    code: 500,
    retryable: false,
    advice: "This log cannot commit atomically; see the operations guide",
  },
  unknownTransaction: {
    code: 501,
    retryable: false,
    advice: "BEGIN it first on this connection; a lost connection rolls back",
  },
  tooManyTransactions: { code: 502, retryable: true, advice: "Commit or roll back one first" },
  transactionTooLarge: { code: 503, retryable: false, advice: "Commit smaller transactions" },
  transactionExpired: { code: 504, retryable: true, advice: "Begin it again and commit sooner" },

  logUnavailable: { code: 600, retryable: true, advice: "Send it again after retryAfterMs" },
  logFull: { code: 601, retryable: true, advice: "The operator must free disk space or tighten retention" },
  overloaded: { code: 602, retryable: true, advice: "Send it again after retryAfterMs" },
  internal: { code: 699, retryable: true, advice: "A bug of the gateway; its log names this connection" },

  noResponders: { code: 700, retryable: true, advice: "Nobody serves the topic now; start who does, or ask later" },
  deadlineExceeded: {
    code: 701,
    retryable: true,
    advice: "Ask again with a longer deadlineMs; the responder may have done it all the same",
  },
  responderFailed: { code: 702, retryable: true, advice: "Ask again; the responder may have done it all the same" },
  tooManyRequests: { code: 703, retryable: true, advice: "Await responses before asking more" },
  notServed: { code: 704, retryable: false, advice: "Serve the filter first" },
  tooManyServed: { code: 705, retryable: false, advice: "Serve a wildcard filter, or raise filtersServedMax" },
  presenceTooMany: { code: 710, retryable: true, advice: "Untrack or unwatch a topic first" },
  poolUnknown: { code: 720, retryable: false, advice: "Use the name of a pool that is configured" },
  notMember: { code: 721, retryable: false, advice: "Join the pool first, on this connection" },
  itemNotYours: { code: 722, retryable: false, advice: "Settle only items that WORK brought to this member" },
  tooManyMembers: { code: 723, retryable: true, advice: "Join later, or raise the pool's bound" },
  alreadyMember: { code: 724, retryable: false, advice: "Leave the pool first, or join it on another connection" },
  poolUnavailable: { code: 725, retryable: true, advice: "Join again in a few seconds" },
  ticketRefused: { code: 730, retryable: false, advice: "Nothing to do: it was served as if it had none" },
} as const satisfies Record<string, { code: number; retryable: boolean; advice: string }>;

export type ErrorName = keyof typeof errorCodes;

const byNumber = new Map<number, ErrorName>(
  (Object.keys(errorCodes) as ErrorName[]).map((name) => [errorCodes[name].code, name]),
);

/** Errors of frames that are unknown, out of shape or out of place: a client that works never hears one. */
export function isFrameFault(code: number): boolean {
  return code >= errorCodes.unknownFrame.code && code <= errorCodes.unexpectedFrame.code;
}

export function errorName(code: number): ErrorName | undefined {
  return byNumber.get(code);
}
