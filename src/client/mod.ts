/**
 * The Weir SDK: `connect` and what it works with. Browsers, Bun, Deno, Node ≥ 22 (Node 20: option `webSocket`).
 *
 * The file store is an entry of its own (file-store.ts), and so are the codecs beside the default one, so that
 * nobody loads what is not used.
 * @module
 */
import { msgpackCodec } from "../protocol/codec-msgpack.ts";
import type { Client } from "./api.ts";
import { LiveClient } from "./client.ts";
import type { ConnectOptions } from "./options.ts";

/**
 * Opens a session. Answers at once; the connection is made, and made again, behind the scenes. Several URLs: gateways
 * on one log, the next one is tried after each loss.
 */
export function connect(url: string | readonly string[], options: ConnectOptions = {}): Client {
  return new LiveClient(url, options, options.codec ?? msgpackCodec);
}

export type { Client, ClientEvents, ClientStatus, SessionInfo, Transaction } from "./api.ts";
export { WeirError, type WeirErrorCode } from "./errors.ts";
export type { Unlisten } from "./events.ts";
export type { Extension, ExtensionHost } from "./extensions.ts";
export type { History, HistoryPage } from "./history.ts";
export type {
  ConnectOptions,
  HistoryOptions,
  ProcessedPosition,
  PublishOptions,
  StartOption,
  SubscribeOptions,
  TokenOption,
} from "./options.ts";
export type { PublishResult } from "./outbox.ts";
export type { WebSocketClass, WebSocketLike } from "./platform.ts";
export type {
  ClientClock,
  ClientPorts,
  ClientRandom,
  ClientSocket,
  ClientSocketEvents,
  ClientTimer,
  OpenSocket,
} from "./ports.ts";
export type { ReconnectOptions } from "./reconnect.ts";
export type { HistoryRecord, NakOptions, ReceivedRecord } from "./record.ts";
export type { ClientStore, StoreChange, StoredValue } from "./store.ts";
export { type IndexedDbStoreOptions, indexedDbStore } from "./store-indexeddb.ts";
export { memoryStore } from "./store-memory.ts";
export type { Handler, Subscription, SubscriptionEvents, SubscriptionInfo } from "./subscription.ts";
export type { TransactionResult } from "./transaction.ts";
