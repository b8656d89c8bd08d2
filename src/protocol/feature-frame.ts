/**
 * The frames of features: request/reply, presence, pools. WELCOME names the features that a gateway offers, and a
 * client that uses none of them neither sends nor gets any of these frames; the SDK loads them with the feature.
 *
 * Pure. A field that is absent is left out (never `undefined` on the wire).
 * @module
 */
import type { DeliveredRecord, Headers } from "./frame.ts";
import type { EpochMs } from "./ids.ts";

/** As WELCOME names them. */
export type FeatureName = "requests" | "presence" | "pools";

/** Wire numbers, by the feature that brings them: 25–31 requests, 32–37 presence, 40–46 pools. */
export const featureNumbers = {
  requests: { request: 25, response: 26, cancel: 27, serve: 28, served: 29, unserve: 30, unserved: 31 },
  presence: { track: 32, untrack: 33, tracked: 34, presence: 35, presences: 36, presenceChanged: 37 },
  pools: { join: 40, joined: 41, leave: 42, left: 43, work: 44, done: 45, failed: 46 },
} as const satisfies Record<FeatureName, object>;

type Numbers = typeof featureNumbers;
export type FeatureFrameType = { [F in FeatureName]: keyof Numbers[F] }[FeatureName];

// --- requests ---

/** Client → gateway: a question. Gateway → client: one for a filter that the client serves. Each side numbers its own. */
export type RequestFrame = {
  readonly type: "request";
  readonly ref: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly headers?: Headers;
  /** Time for the answer, from here on. Absent: the gateway's default. */
  readonly deadlineMs?: number;
};
/** Answers a REQUEST. */
export type ResponseFrame = {
  readonly type: "response";
  readonly ref: number;
  readonly payload: Uint8Array;
  readonly headers?: Headers;
  /** The responder could not do it: its own words. */
  readonly error?: string;
};
/** The request of this number is not waited for any more. */
export type Cancel = { readonly type: "cancel"; readonly ref: number };
export type Serve = { readonly type: "serve"; readonly ref: number; readonly filter: string };
export type Served = { readonly type: "served"; readonly ref: number; readonly filter: string };
export type Unserve = { readonly type: "unserve"; readonly ref: number; readonly filter: string };
export type Unserved = {
  readonly type: "unserved";
  /** 0 when the gateway ended it. */
  readonly ref: number;
  readonly filter: string;
  readonly cause?: string;
};

// --- presence ---

export type PresenceMember = {
  readonly session: string;
  readonly subject: string;
  /** What it told of itself; opaque. */
  readonly data?: Uint8Array;
  readonly since: EpochMs;
};
/** "I am here", on a topic. */
export type Track = {
  readonly type: "track";
  readonly ref: number;
  readonly topic: string;
  readonly data?: Uint8Array;
};
export type Untrack = { readonly type: "untrack"; readonly ref: number; readonly topic: string };
/** Answers TRACK and UNTRACK. */
export type Tracked = { readonly type: "tracked"; readonly ref: number; readonly topic: string; readonly on: boolean };
/** Who is there? */
export type Presence = {
  readonly type: "presence";
  readonly ref: number;
  readonly topic: string;
  /** True: changes follow. False: no more of them. Absent: this page alone. */
  readonly watch?: boolean;
  /** From PRESENCES, for the next page. */
  readonly cursor?: string;
  readonly limit?: number;
};
export type Presences = {
  readonly type: "presences";
  readonly ref: number;
  readonly topic: string;
  readonly total: number;
  readonly members: readonly PresenceMember[];
  /** Absent at the end. */
  readonly next?: string;
};
export type PresenceChanged = {
  readonly type: "presenceChanged";
  readonly topic: string;
  readonly total: number;
  readonly joined: readonly PresenceMember[];
  /** Sessions. */
  readonly left: readonly string[];
};

// --- pools ---

export type Join = {
  readonly type: "join";
  readonly ref: number;
  readonly pool: string;
  readonly weight?: number;
  /** Items that it takes at once. */
  readonly capacity?: number;
  readonly tags?: readonly string[];
};
export type Joined = { readonly type: "joined"; readonly ref: number; readonly pool: string; readonly member: string };
export type Leave = { readonly type: "leave"; readonly ref: number; readonly pool: string };
export type Left = {
  readonly type: "left";
  /** 0 when the gateway ended it. */
  readonly ref: number;
  readonly pool: string;
  readonly cause?: string;
};
export type Work = {
  readonly type: "work";
  readonly pool: string;
  readonly item: number;
  /** Number of this try, from 1. */
  readonly attempt: number;
  readonly record: DeliveredRecord;
};
export type Done = { readonly type: "done"; readonly pool: string; readonly items: readonly number[] };
export type Failed = {
  readonly type: "failed";
  readonly pool: string;
  readonly item: number;
  readonly reason?: string;
  readonly delayMs?: number;
};

export type FeatureFrame =
  | RequestFrame
  | ResponseFrame
  | Cancel
  | Serve
  | Served
  | Unserve
  | Unserved
  | Track
  | Untrack
  | Tracked
  | Presence
  | Presences
  | PresenceChanged
  | Join
  | Joined
  | Leave
  | Left
  | Work
  | Done
  | Failed;

/** What a client may send of them, and which feature it is for. */
export const featureClientFrames = {
  request: "requests",
  response: "requests",
  cancel: "requests",
  serve: "requests",
  unserve: "requests",
  track: "presence",
  untrack: "presence",
  presence: "presence",
  join: "pools",
  leave: "pools",
  done: "pools",
  failed: "pools",
} as const satisfies Partial<Record<FeatureFrameType, FeatureName>>;
export type FeatureClientFrame = Extract<FeatureFrame, { type: keyof typeof featureClientFrames }>;
