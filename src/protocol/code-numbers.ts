/**
 * The numbers of errors and closes without what is said about them: all that the SDK carries, since a gateway sends its
 * advice in the message. The compiler compares them with the tables that say it all: error-code.ts, close-code.ts.
 * Errors of features are known by the cause that ERROR names.
 *
 * Pure.
 * @module
 */
import type { CloseName, closeCodes } from "./close-code.ts";
import type { ErrorName, errorCodes } from "./error-code.ts";

export const errorNumbers = {
  frameTooLarge: 100,
  frameTooDeep: 101,
  malformedFrame: 102,
  unknownFrame: 103,
  badFrameShape: 104,
  unexpectedFrame: 105,
  unauthenticated: 200,
  tokenInvalid: 201,
  publishForbidden: 210,
  subscribeForbidden: 211,
  badTopic: 300,
  badFilter: 301,
  reservedTopic: 302,
  alreadySubscribed: 303,
  notSubscribed: 304,
  tooManySubscriptions: 305,
  unknownChain: 306,
  badPosition: 307,
  tooManyNaks: 308,
  deadLettered: 309,
  epochChanged: 310,
  payloadTooLarge: 400,
  headersTooLarge: 401,
  publishNumbering: 402,
  transactionsUnavailable: 500,
  unknownTransaction: 501,
  tooManyTransactions: 502,
  transactionTooLarge: 503,
  transactionExpired: 504,
  logUnavailable: 600,
  logFull: 601,
  overloaded: 602,
  internal: 699,
} as const satisfies { readonly [K in ErrorName]?: (typeof errorCodes)[K]["code"] };

export const closeNumbers = {
  goingAway: 4000,
  heartbeatTimeout: 4001,
  slowConsumer: 4002,
  overloaded: 4003,
  internal: 4004,
  logUnavailable: 4005,
  idle: 4006,
  sessionEnded: 4200,
  superseded: 4300,
  unauthenticated: 4301,
  tokenExpired: 4302,
  forbidden: 4303,
  disconnected: 4304,
  handshakeTimeout: 4500,
  protocolViolation: 4501,
  frameTooLarge: 4502,
  creditOverrun: 4503,
  tooManyRefused: 4504,
  tooManyErrors: 4505,
} as const satisfies { readonly [K in CloseName]: (typeof closeCodes)[K]["code"] };
