/**
 * The bounds of the core, unit last: all that the SDK carries. Those of features are added in limits.ts.
 *
 * Pure.
 * @module
 */
export const coreLimits = {
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
