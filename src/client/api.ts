/**
 * The client as the application sees it.
 * @module
 */
import type { PublishRecord } from "../protocol/frame.ts";
import type { LogEpoch, Seq, SessionId } from "../protocol/ids.ts";
import type { Lane } from "../protocol/lane.ts";
import type { WeirError } from "./errors.ts";
import type { Unlisten } from "./events.ts";
import type { Extension, ExtensionHost } from "./extensions.ts";
import type { History } from "./history.ts";
import type { HistoryOptions, PublishOptions, SubscribeOptions } from "./options.ts";
import type { PublishResult } from "./outbox.ts";
import type { ReceivedRecord } from "./record.ts";
import type { Handler, Subscription, SubscriptionInfo } from "./subscription.ts";
import type { TransactionResult } from "./transaction.ts";

/** waiting: between two tries to connect · closed: for good, nothing more happens. */
export type ClientStatus = "connecting" | "connected" | "waiting" | "closed";

export type SessionInfo = {
  readonly session: SessionId;
  readonly epoch: LogEpoch;
  /** What an acknowledged publish survives: docs/guarantees.md. */
  readonly tier: string;
  readonly node: string;
  readonly features: readonly string[];
};

export type ClientEvents = {
  status: ClientStatus;
  /** Everything that went wrong and has no promise to reject. */
  error: WeirError;
  /** The gateway sends this client to another one, in so many milliseconds; until then everything goes on. */
  moving: { readonly inMs: number };
  disconnected: { readonly code: number; readonly reason: string; readonly retryInMs: number };
  /** The session goes on over a new connection. */
  resumed: { readonly session: SessionId; readonly publishedUpTo: number };
  /** The session could not be resumed and a new one was opened; what had been sent and not confirmed is listed. */
  lost: { readonly session: SessionId; readonly cause: string; readonly outcomeUnknown: readonly PublishRecord[] };
  /** Each subscription's answer, the first time and after every reconnect. */
  resume: SubscriptionInfo;
  deadLetter: { readonly filter: string; readonly lane: Lane; readonly seq: Seq; readonly message: string };
  superseded: WeirError;
};

export type Transaction = {
  publish(topic: string, value: unknown, options?: Pick<PublishOptions, "headers" | "priority">): void;
  /** The record counts as processed when the transaction commits. Records of a chain in their order. */
  ack(record: ReceivedRecord): void;
};

export type Client = {
  readonly status: ClientStatus;
  /** Of the newest WELCOME. */
  readonly session: SessionInfo | undefined;
  /** Publishes that are not settled. */
  readonly outbox: { readonly records: number; readonly bytes: number };
  readonly roundTripMs: number | undefined;
  /**
   * Resolves when the log holds the record. A Uint8Array is published as it is, anything else as JSON. Bytes must not
   * be changed until then: they may be sent again.
   */
  publish(topic: string, value: unknown, options?: PublishOptions): Promise<PublishResult>;
  /**
   * With a callback, a record is acknowledged when the callback has resolved, and given back (NAK) when it threw.
   * Without, iterate: a record is acknowledged when the next one is asked for.
   *
   * QoS 2 hands out every record once, also over reconnects; over a restart of the process as far as the store has the
   * position. What was processed and not yet stored when the process died is handed out again: where that matters,
   * store `record.position` in one transaction with your data and give it back as `processed`.
   *
   * After a restart subscribe right after `connect`: subscriptions that the session holds and that nobody asks for
   * are ended after 10 s.
   */
  subscribe(filter: string, handler: Handler): Subscription;
  subscribe(filter: string, options?: SubscribeOptions, handler?: Handler): Subscription;
  /** All of it or nothing. When the function throws, it is rolled back and the error comes through. */
  transaction(work: (transaction: Transaction) => unknown): Promise<TransactionResult>;
  history(filter: string, options?: HistoryOptions): History;
  /** For features with an entry point of their own (`weir/client/requests` …), which call it. */
  extend<E extends Extension>(name: string, make: (host: ExtensionHost) => E): E;
  on<Name extends keyof ClientEvents>(name: Name, listener: (value: ClientEvents[Name]) => void): Unlisten;
  /** Resolves when connected; rejects when the client has ended. */
  connected(): Promise<void>;
  /** Resolves when the outbox is at most half full: for publishers that do not await every publish. */
  writable(): Promise<void>;
  /** Resolves when every publish and transaction is settled. */
  flush(): Promise<void>;
  /**
   * Ends the client, not the session: another client with the same store resumes it. Publishes that are not settled
   * reject; a store keeps them. Await `flush()` before, to have them settled.
   */
  close(): Promise<void>;
};
