/**
 * What a gateway is made with, what of it can change while it runs, and what its owner may ask of it.
 *
 * Pure.
 * @module
 */

import type { Location } from "../actors/balancer/candidate.ts";
import type { Limits } from "../protocol/limits.ts";
import type { AdmissionRate } from "./admission.ts";
import type { Discovery } from "./cluster/address.ts";
import { type BalancingOptions, balancingDefaults } from "./cluster/assigner.ts";
import type { HttpHandler } from "./http.ts";
import type { Control, Inspector } from "./inspection.ts";
import type { LifecycleEvent } from "./lifecycle/fact.ts";
import type { Retention } from "./log/event-log.ts";
import type { OriginPolicy } from "./origin.ts";
import type { PlainRoute } from "./plain/route.ts";
import type { PoolControl } from "./pool/pools.ts";
import type { Scalers } from "./pool/scaler.ts";
import type { RecentBounds } from "./recent-records.ts";
import type { Tail, TailRequest } from "./tail.ts";

export type GatewayConfig = {
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  /** 0: any free one. @default 8080 */
  readonly port?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Browser origins that may connect; see origin.ts. @default none but the gateway's own */
  readonly origins?: OriginPolicy;
  readonly limits?: Partial<Limits>;
  /** What the log keeps. 0 in a field: no bound. @default everything */
  readonly retention?: Retention;
  /** Name of this node for operators and WELCOME. @default made at start */
  readonly node?: string;
  /** Where the other nodes and their clients find this one, and what they are told of it. */
  readonly discovery?: Discovery;
  /** Called once, when another process has this node's name: this one takes nothing any more, and is to end. */
  readonly onReplaced?: (why: string) => void;
  /** Which node clients go to. @default as balancingDefaults says */
  readonly balancing?: BalancingOptions;
  /** Where an address is, for `geographic`. @default nobody knows */
  readonly locate?: (address: string) => Location | undefined;
  /** How long the journal of an ended session is kept, for replay. @default 7 days */
  readonly journalKeepMs?: number;
  /** Sessions in memory, attached or waiting to be resumed. @default 100_000 */
  readonly sessionsMax?: number;
  /** Handshakes taken up; who comes beyond is told when to come. @default 5_000 a second, 10_000 at once */
  readonly admission?: AdmissionRate;
  /** Clients that a drain sends to each other node in a second. @default 500 */
  readonly connectionsPerSecondMax?: number;
  /** Bytes of publishes that wait for the log, over all connections; past it sockets are not read. @default 64 MiB */
  readonly inflowBytesMax?: number;
  /** Bytes buffered for one socket beyond which it is congested. @default 4 MiB */
  readonly backpressureBytesMax?: number;
  /** Newest records held in memory for who is a little behind. @default 16_384 records, 16 MiB */
  readonly recent?: RecentBounds;
  /** What of sessions is told on `$lifecycle.session.<event>`. @default nothing */
  readonly lifecycleEvents?: readonly LifecycleEvent[];
  /** Paths that speak plain JSON (plain/route.ts). @default none */
  readonly plainRoutes?: readonly PlainRoute[];
  /** What brings members to pools. @default nothing: how many are wanted is told */
  readonly scalers?: Scalers;
  /** Answers HTTP where the gateway itself does not; made with it. @default 404 */
  readonly http?: (gateway: Gateway) => HttpHandler;
};

/** What can change while clients are connected; it holds for what begins then, and nobody is disconnected. */
export type LiveGatewayConfig = Pick<
  GatewayConfig,
  | "origins"
  | "limits"
  | "admission"
  | "connectionsPerSecondMax"
  | "retention"
  | "journalKeepMs"
  | "sessionsMax"
  | "inflowBytesMax"
  | "balancing"
>;

export type StopOptions = {
  /** For the log of this node. */
  readonly reason?: string;
  /** Time for connections to leave. @default 10_000 */
  readonly timeoutMs?: number;
};

export type Gateway = {
  start(): Promise<{ readonly hostname: string; readonly port: number; readonly secure: boolean }>;
  /** Takes clients to other nodes, each in a slot of its own; as far as there are others, and until `timeoutMs`. */
  leave(options?: StopOptions): Promise<void>;
  /** GOAWAY to every connection, a bounded wait, journals written. The log is the caller's to close. */
  stop(options?: StopOptions): Promise<void>;
  /** What is not named stays as it is. Throws when it cannot be, and nothing has changed then. */
  configure(changes: LiveGatewayConfig): void;
  inspect(): Inspector;
  control(): Control;
  pools(): PoolControl;
  /** Follows the log at its reader's pace. */
  tail(request: TailRequest): Tail;
};

const noEvents: readonly LifecycleEvent[] = [];

export const defaults = {
  discovery: {},
  balancing: balancingDefaults,
  sessionsMax: 100_000,
  admission: { perSecond: 5_000, burst: 10_000 },
  connectionsPerSecondMax: 500,
  journalKeepMs: 7 * 86_400_000,
  inflowBytesMax: 64 * 1_048_576,
  recent: { recordsMax: 16_384, bytesMax: 16 * 1_048_576 },
  lifecycleEvents: noEvents,
};
