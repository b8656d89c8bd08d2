/**
 * What a running gateway tells of itself, and what an operator may ask of it: the contract between a node and all
 * that is for people (REST, dashboard, replay, command line).
 *
 * Everything here is plain data that JSON can carry, made when it is asked for; nothing is kept. Lists come in pages
 * whose order does not change: a walk through them misses nobody who is there all the time.
 *
 * Types only.
 * @module
 */
import type { CodecName } from "../protocol/codec.ts";
import type { Qos, Window } from "../protocol/frame.ts";
import type { EpochMs, Seq } from "../protocol/ids.ts";
import type { LaneName } from "../protocol/lane.ts";
import type { Asker, DecisionView } from "./cluster/assigner.ts";
import type { Assigned } from "./cluster/balancing.ts";
import type { DrainRequest, DrainView } from "./cluster/drain.ts";
import type { DrainTarget } from "./cluster/drain-plan.ts";
import type { Member } from "./cluster/membership.ts";
import type { LogInfo, NewRecord } from "./log/event-log.ts";
import type { PresencePage, PresenceRange } from "./presence/directory.ts";

export type ViewPage<T> = {
  readonly items: readonly T[];
  /** Give it back for the next page; absent at the end. */
  readonly next?: string;
};

export type ConnectionView = {
  readonly id: string;
  readonly node: string;
  /** Absent before WELCOME, and for plain JSON sockets. */
  readonly session?: string;
  /** Anonymous, or not yet known: "". */
  readonly subject: string;
  readonly remoteAddress: string;
  /** `plain`: one of the plain JSON routes. */
  readonly codec: CodecName | "plain";
  readonly openedAt: EpochMs;
  /** Of its statechart: handshaking, authenticating, open, congested, draining, closed. */
  readonly state: string;
  /** Accepted, and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  /** Of the newest PING that was answered; absent until one was (silent peers alone are asked). */
  readonly roundTripMs?: number;
  readonly framesIn: number;
  /** To this connection alone; what the fan-out sends to all is counted by node. */
  readonly framesOut: number;
};

/** One order of delivery: a subscription's records of one lane. */
export type ChainView = {
  readonly lane: LaneName;
  /** Acknowledged up to here. */
  readonly position: Seq;
  readonly sent: Seq;
  readonly inFlightRecords: number;
  readonly inFlightBytes: number;
};

export type NakView = {
  readonly seq: Seq;
  readonly lane: LaneName;
  /** Deliveries so far. */
  readonly attempts: number;
  readonly dueAt: EpochMs;
  readonly reason: string;
};

export type SubscriptionView = {
  readonly filter: string;
  readonly qos: Qos;
  /** away: its session is detached. */
  readonly mode: "live" | "behind" | "away";
  readonly chains: readonly ChainView[];
  readonly window: Window;
  readonly naks: readonly NakView[];
  readonly ackWaitMs: number;
  readonly maxDeliver: number;
};

export type TransactionView = {
  readonly tx: number;
  readonly records: number;
  readonly bytes: number;
  readonly touchedAt: EpochMs;
};

export type SessionView = {
  readonly id: string;
  readonly node: string;
  readonly subject: string;
  readonly status: "attached" | "detached" | "ended";
  /** Count of owners so far. */
  readonly owner: number;
  readonly connection?: string;
  readonly attachedSince?: EpochMs;
  readonly detachedAt?: EpochMs;
  readonly openedAt: EpochMs;
  readonly resumeWindowMs: number;
  /** Nothing of it outlives its connection. */
  readonly ephemeral: boolean;
  readonly publishedUpTo: number;
  readonly refusedPublishes: number;
  readonly subscriptions: readonly SubscriptionView[];
  /** What it may still publish before PUBLISHED answers; absent while detached. */
  readonly credit?: Window;
  readonly openTransactions: readonly TransactionView[];
};

export type NodeView = {
  readonly id: string;
  readonly version: string;
  readonly state: "running" | "draining" | "stopping";
  readonly startedAt: EpochMs;
  readonly connections: number;
  /** In memory: attached, or waiting to be resumed. */
  readonly sessions: number;
  readonly sessionsAttached: number;
  readonly sessionsMax: number;
  readonly subscriptionsBehind: number;
  /** Filters that somebody here subscribes. */
  readonly filters: number;
  /** Everything up to here has been fanned out. */
  readonly position: Seq;
  readonly ring: { readonly records: number; readonly bytes: number; readonly firstSeq: Seq };
  readonly inflow: { readonly bytes: number; readonly bytesMax: number; readonly pausedConnections: number };
  readonly actorCrashes: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly log: LogInfo;
};

/** Since the start of the node. */
export type Totals = {
  readonly connectionsOpened: number;
  readonly handshakesFailed: number;
  /** ERROR frames. */
  readonly errors: number;
  /** Connections that this node ended because something did not work, on either side. */
  readonly connectionsFailed: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly recordsPublished: number;
  readonly recordsDuplicate: number;
  readonly recordsDelivered: number;
  /** Encoded once each, for all who were live. */
  readonly fanOutFrames: number;
  readonly fanOutRecords: number;
  readonly fanOutBytes: number;
  /** What they became on the sockets. */
  readonly fanOutFramesSent: number;
  readonly fanOutBytesSent: number;
  /** Pages that readers took from the ring of recent records, and from the log. */
  readonly pagesFromRing: number;
  readonly pagesFromLog: number;
  readonly appends: HistogramView;
  /** From the log's acceptance of a record to its hand-over to a socket. */
  readonly messages: HistogramView;
};

export type HistogramView = {
  readonly count: number;
  readonly sumMs: number;
  /** Upper bounds, and how many were at or below each but above the one before. */
  readonly boundsMs: readonly number[];
  readonly buckets: readonly number[];
};

export type Inspector = {
  node(): NodeView;
  /** Nodes that share the log as this one sees them, this one too. */
  members(): readonly Member[];
  /** The one that is under way, or the last one since the node took clients. */
  drain(): DrainView | undefined;
  /** Where a drain can send clients now. */
  drainTargets(to?: readonly string[]): readonly DrainTarget[];
  /** Who is present on a topic, on all nodes, as this one knows it. */
  presence(topic: string, range: PresenceRange): PresencePage;
  /** Why clients were sent where: this node's last decisions, newest first. */
  decisions(): readonly DecisionView[];
  totals(): Totals;
  /** `cursor`: "" for the first page. */
  connections(cursor: string, max: number): ViewPage<ConnectionView>;
  connection(id: string): ConnectionView | undefined;
  /** Those in the memory of this node, oldest first. */
  sessions(cursor: string, max: number): ViewPage<SessionView>;
  session(id: string): SessionView | undefined;
};

/** A step that a service asks for, without a session. */
export type Publication = {
  /** Checked already: topics, sizes, permission. */
  readonly records: readonly Omit<NewRecord, "id">[];
  /** The same again within a day is answered, not stored. */
  readonly idempotencyKey?: string;
  /** Of the whole request, to know a key that is used for something else. */
  readonly digest?: string;
};
export type PublicationResult =
  | {
      readonly ok: true;
      /** 0: it was stored before, its place is not known any more. */
      readonly seqs: readonly Seq[];
      readonly duplicate: boolean;
    }
  | {
      readonly ok: false;
      readonly code: "keyUsedForAnother" | "unavailable" | "full";
      readonly message: string;
      readonly retryable: boolean;
    };

/** What operators may ask of a node. Who may, and that it is audited, is decided elsewhere. */
export type Control = {
  /** Ends it with close code 4304 `disconnected` and the cause. False: no such connection. */
  disconnect(connection: string, cause: string): boolean;
  /** Ends the session for good, attached or not. `unknown`: no such session, or it has ended. */
  expire(session: string): Promise<"ended" | "unknown">;
  /**
   * Clients are sent to other nodes, each in a slot of its own, and served until then. Without a share all of them: new
   * ones are refused, /ready answers 503, and where there is no other node they are closed at once. The process goes on.
   */
  drain(request: DrainRequest): void;
  /** Takes clients again. */
  undrain(): void;
  publish(publication: Publication): Promise<PublicationResult>;
  /** The node that a client belongs to. Undefined: none takes clients. Rejects while what holds the log is away. */
  assign(asker: Asker): Promise<Assigned | undefined>;
};
