/**
 * Branded identifiers and numbers that cross rooms, so that one cannot be passed for another.
 *
 * Pure.
 * @module
 */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]?: Name };

/** What survives the socket. Server-made, 22 characters of base64url; public, it prefixes record ids. */
export type SessionId = Brand<string, "SessionId">;
/** One socket, from upgrade to close. Unique within a node's lifetime. */
export type ConnectionId = Brand<string, "ConnectionId">;
/** Place of a record in one log, 1-based, never reused within an epoch. 0 means "before the first". */
export type Seq = Brand<number, "Seq">;
/** Identity of a log: a new one whenever the log was made anew. `seq` without it lies. */
export type LogEpoch = Brand<string, "LogEpoch">;
/** Number of a chain on one connection; told in SUBSCRIBED, means nothing on another connection. */
export type ChainId = Brand<number, "ChainId">;
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type EpochMs = Brand<number, "EpochMs">;
