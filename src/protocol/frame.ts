/**
 * The frames of `weir.v1`: every number, name and field that a peer can see; those of features are in
 * feature-frame.ts. The codecs carry these and nothing else; docs/protocol/v1.md says what they mean.
 *
 * Pure. A field that is absent is left out (never `undefined` on the wire).
 * @module
 */
import type { FeatureFrame, FeatureFrameType } from "./feature-frame.ts";
import type { ChainId, EpochMs, LogEpoch, Seq, SessionId } from "./ids.ts";
import type { Lane } from "./lane.ts";
import type { ResumeAnswer } from "./position.ts";

/** Wire numbers. 1–63 are Weir's; a number is never given a second meaning. */
export const coreNumbers = {
  hello: 1,
  welcome: 2,
  publish: 3,
  published: 4,
  subscribe: 5,
  subscribed: 6,
  unsubscribe: 7,
  unsubscribed: 8,
  deliver: 9,
  ack: 10,
  nak: 11,
  credit: 12,
  begin: 13,
  commit: 14,
  rollback: 15,
  committed: 16,
  read: 17,
  page: 18,
  ping: 19,
  pong: 20,
  goaway: 21,
  error: 22,
  auth: 23,
  authenticated: 24,
} as const;
export type CoreFrameType = keyof typeof coreNumbers;
export type FrameType = CoreFrameType | FeatureFrameType;

export type Headers = { readonly [name: string]: string };
/** 0 at most once · 1 at least once · 2 exactly once (window and tier: docs/guarantees.md). */
export type Qos = 0 | 1 | 2;

/** One record as a receiver sees it. `payload` is opaque and never re-encoded. */
export type DeliveredRecord = {
  readonly seq: Seq;
  readonly time: EpochMs;
  readonly topic: string;
  /** `<session>/<n>` for a publish, `<session>/tx/<tx>/<i>` inside a transaction. */
  readonly id: string;
  readonly lane: Lane;
  readonly payload: Uint8Array;
  readonly headers?: Headers;
};

export type PublishRecord = {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Absent: normal (2). */
  readonly lane?: Lane;
  readonly headers?: Headers;
};

/** Records and bytes: payload + topic + headers + 32 per record, the same sum on both ends (`recordBytes`). */
export type Window = { readonly records: number; readonly bytes: number };

/** Where a subscription or a history page begins. */
export type StartAt =
  | { readonly kind: "new" }
  | { readonly kind: "all" }
  /** After this position. */
  | { readonly kind: "position"; readonly seq: Seq; readonly epoch: LogEpoch }
  /** At the first record whose time is not before this. */
  | { readonly kind: "time"; readonly time: EpochMs }
  /** The newest record of each matching topic, then what follows. */
  | { readonly kind: "last" };

/** A client's own processed position, told in HELLO. */
export type HeldPosition = { readonly filter: string; readonly lane: Lane; readonly seq: Seq };

/** `count` publishes numbered from `n` are in the log at consecutive seqs from `seq` (0: held, place unknown). */
export type PublishedRun = { readonly n: number; readonly seq: Seq; readonly count: number };
export type RefusedPublish = {
  readonly n: number;
  readonly code: number;
  readonly cause: string;
  readonly message: string;
};

export type ChainInfo = {
  readonly chain: ChainId;
  readonly lane: Lane;
  /** The receiver's `last` for this chain from now on. */
  readonly last: Seq;
};
export type ChainSeq = { readonly chain: ChainId; readonly seq: Seq };

export type Hello = {
  readonly type: "hello";
  /** Session to resume, with its key. Absent: open a new one. */
  readonly session?: SessionId;
  readonly resumeKey?: string;
  /** JWT. */
  readonly token?: string;
  /** 0: ephemeral, ends with the connection. Absent: the gateway's default. */
  readonly resumeWindowMs?: number;
  /** Every publish up to this number is settled for the client. */
  readonly settled?: number;
  /** Log epoch to which `positions` belong. */
  readonly epoch?: LogEpoch;
  readonly positions?: readonly HeldPosition[];
  /** Name and version of the client, for operators. */
  readonly agent?: string;
  /** From GOAWAY, for the gateway that it named. */
  readonly ticket?: string;
};

export type Welcome = {
  readonly type: "welcome";
  readonly session: SessionId;
  readonly resumeKey: string;
  readonly outcome: "opened" | "resumed";
  /** Why a session that was asked for was not resumed. */
  readonly cause?: string;
  /** Count of owners that this session has had. */
  readonly owner: number;
  readonly node: string;
  readonly epoch: LogEpoch;
  /** Durability tier: none | disk | r1 | r3 | r3-sync. */
  readonly tier: string;
  readonly resumeWindowMs: number;
  /** High-water mark: publishes up to this number are in the log or refused. */
  readonly publishedUpTo: number;
  /** Those of them that were refused and not yet reported as settled. */
  readonly refused?: readonly RefusedPublish[];
  readonly credit: Window;
  readonly heartbeatMs: number;
  readonly frameBytesMax: number;
  readonly payloadBytesMax: number;
  readonly time: EpochMs;
  readonly features: readonly string[];
  /** When the token runs out. */
  readonly expiresAt?: EpochMs;
};

export type Publish = {
  readonly type: "publish";
  /** Number of the first record; the others follow. Absent: the next number. Not inside a transaction. */
  readonly first?: number;
  /** Every publish up to this number is settled for the client. */
  readonly settled?: number;
  /** Part of this open transaction. */
  readonly tx?: number;
  readonly records: readonly PublishRecord[];
};
export type Published = {
  readonly type: "published";
  /** Cumulative: every publish up to this number is in the log or refused. */
  readonly upTo: number;
  readonly runs: readonly PublishedRun[];
  readonly refused?: readonly RefusedPublish[];
};

export type Subscribe = {
  readonly type: "subscribe";
  readonly ref: number;
  readonly filter: string;
  /** Absent: 1. */
  readonly qos?: Qos;
  /** Absent: new. */
  readonly start?: StartAt;
  readonly window?: Window;
  /** QoS 0 on a congested socket: skip records (default), or conflate to the newest of each topic. */
  readonly congestion?: "skip" | "conflate";
  readonly ackWaitMs?: number;
  readonly maxDeliver?: number;
};
export type Subscribed = {
  readonly type: "subscribed";
  /** Of the SUBSCRIBE it answers; 0 when the gateway restored it after a resume. */
  readonly ref: number;
  readonly filter: string;
  readonly qos: Qos;
  readonly chains: readonly ChainInfo[];
  readonly window: Window;
  readonly resume: ResumeAnswer;
};
export type Unsubscribe = { readonly type: "unsubscribe"; readonly ref: number; readonly filter: string };
export type Unsubscribed = {
  readonly type: "unsubscribed";
  /** 0 when the gateway ended it. */
  readonly ref: number;
  readonly filter: string;
  readonly cause?: string;
};

export type Deliver = {
  readonly type: "deliver";
  readonly chain: ChainId;
  readonly prev: Seq;
  /** Absent: the last record's seq. */
  readonly upTo?: Seq;
  /** Present on a redelivery of one NAKed record: number of this try, from 2. The interval does not move. */
  readonly attempt?: number;
  readonly records: readonly DeliveredRecord[];
};
export type Ack = {
  readonly type: "ack";
  /** Cumulative: everything of the chain up to seq is processed. */
  readonly upTo?: readonly ChainSeq[];
  /** Single redelivered records that are processed. */
  readonly only?: readonly ChainSeq[];
  /** Takes effect when this transaction commits. */
  readonly tx?: number;
};
export type Nak = {
  readonly type: "nak";
  readonly chain: ChainId;
  readonly seq: Seq;
  readonly delayMs?: number;
  readonly reason?: string;
};
/**
 * Gateway → client: totals that the client may have published in this connection's life.
 * Client → gateway: a new window for one filter, or (without records to take) `hole`: deliver again from here.
 */
export type Credit = {
  readonly type: "credit";
  readonly filter?: string;
  readonly records: number;
  readonly bytes: number;
  /** Chains whose receiver found a hole, with its `last`. */
  readonly holes?: readonly ChainSeq[];
};

export type Begin = { readonly type: "begin"; readonly tx: number };
export type Commit = { readonly type: "commit"; readonly tx: number };
export type Rollback = { readonly type: "rollback"; readonly tx: number };
export type Committed = {
  readonly type: "committed";
  readonly tx: number;
  /** Seq of its first and last record; 0 when it held acknowledgements only. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
  /** It had been committed before. */
  readonly duplicate?: boolean;
};

export type Read = {
  readonly type: "read";
  readonly ref: number;
  readonly filter: string;
  readonly start?: StartAt;
  /** Newest first, from the end or from `start` backwards. */
  readonly backward?: boolean;
  readonly limit?: number;
};
export type Page = {
  readonly type: "page";
  readonly ref: number;
  readonly records: readonly DeliveredRecord[];
  readonly epoch: LogEpoch;
  /** Where the next page begins; absent at the end. */
  readonly next?: Seq;
  /** What the log still holds. */
  readonly firstSeq: Seq;
  readonly lastSeq: Seq;
};

export type Ping = { readonly type: "ping"; readonly id: number; readonly heads?: readonly ChainSeq[] };
export type Pong = { readonly type: "pong"; readonly id: number; readonly heads?: readonly ChainSeq[] };
export type Goaway = {
  readonly type: "goaway";
  /** Close code that follows. */
  readonly code: number;
  readonly cause: string;
  readonly message: string;
  /** Do not connect before: the earliest time slot. */
  readonly retryAfterMs?: number;
  /** Where to connect, and what admits there. Only to clients that take them: `ticketsOffer` of subprotocol.ts. */
  readonly url?: string;
  readonly ticket?: string;
};
export type ErrorFrame = {
  readonly type: "error";
  readonly code: number;
  readonly cause: string;
  readonly message: string;
  readonly retryable: boolean;
  /** Of the frame it answers. */
  readonly ref?: number;
  readonly tx?: number;
  /** First publish that was not appended: send again from here. */
  readonly n?: number;
  readonly chain?: ChainId;
  readonly seq?: Seq;
  readonly retryAfterMs?: number;
};
/** A newer token on a live connection. */
export type Auth = { readonly type: "auth"; readonly token: string };
export type Authenticated = { readonly type: "authenticated"; readonly expiresAt?: EpochMs };

export type CoreFrame =
  | Hello
  | Welcome
  | Publish
  | Published
  | Subscribe
  | Subscribed
  | Unsubscribe
  | Unsubscribed
  | Deliver
  | Ack
  | Nak
  | Credit
  | Begin
  | Commit
  | Rollback
  | Committed
  | Read
  | Page
  | Ping
  | Pong
  | Goaway
  | ErrorFrame
  | Auth
  | Authenticated;
export type Frame = CoreFrame | FeatureFrame;

/** What a client may send besides the frames of features. Anything else from a client is `unexpectedFrame`. */
export const clientFrames = [
  "hello",
  "publish",
  "subscribe",
  "unsubscribe",
  "ack",
  "nak",
  "credit",
  "begin",
  "commit",
  "rollback",
  "read",
  "ping",
  "pong",
  "auth",
] as const satisfies readonly CoreFrameType[];
export type ClientFrame = Extract<Frame, { type: (typeof clientFrames)[number] }>;

const recordOverheadBytes = 32;

/** Bytes that a record counts against credit and windows. The same on both ends, whatever the codec. */
export function recordBytes(record: {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly headers?: Headers;
}): number {
  let bytes = recordOverheadBytes + record.topic.length + record.payload.byteLength;
  if (record.headers !== undefined) {
    for (const name in record.headers) bytes += name.length + (record.headers[name] as string).length;
  }
  return bytes;
}
