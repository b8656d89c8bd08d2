/**
 * Every bound of the proxy, unit last: these are the defaults of `weir balance`, which names most of them as options.
 *
 * Pure.
 * @module
 */
export const balanceLimits = {
  /** Open connections of clients. More: answered 503. */
  connectionsMax: 10_000,
  /** One request head (request line and headers). More: answered 431. Also of a backend's answer, there it is a 502. */
  headBytesMax: 32_768,
  /** Headers of one head. More: answered 431. */
  headersMax: 100,
  /** From the connection, or the first byte of a later request, to the end of its head. Later: answered 408. */
  headMs: 10_000,
  /** How long a connection of a client stays open between two requests. */
  keepAliveMs: 60_000,
  /** To reach a backend, TLS included. Later: the next one is tried, at last answered 504. */
  connectMs: 3_000,
  /** From a request sent to the head of its answer. Later: as for `connectMs`. */
  answerMs: 30_000,
  /** Nothing went through in either direction for so long: both ends are closed. */
  idleMs: 300_000,
  /** The other end of one that has gone has so long to take what is left. */
  lingerMs: 5_000,
  /** Backends that one request is tried on. */
  attemptsMax: 3,
  /**
   * Held for one direction of one connection when the receiver does not take it: what one read of the kernel's buffers
   * brings (512 KiB on Bun). Nothing more is read from the sender until it is gone. More than this can only come of a fault
   * of the runtime: the connection is ended.
   */
  heldBytesMax: 1_048_576,
  /** Connections to one backend kept for further requests, and for how long. Less than what servers keep them open. */
  idleConnectionsMax: 64,
  idleConnectionMs: 4_000,
  /** A chunk's size line with its extensions. More: answered 400, or a 502. */
  chunkLineBytesMax: 256,
} as const;
export type BalanceLimits = { readonly [K in keyof typeof balanceLimits]: number };
