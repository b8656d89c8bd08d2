/**
 * What the gateway does to send less and wait less, with what each part saved since the start: counted, not guessed.
 * @module
 */
import type { Inspector } from "../../runtime/inspection.ts";

export type Feature = {
  readonly name: string;
  readonly enabled: boolean;
  readonly text: string;
  /** What changes it. */
  readonly settings: readonly string[];
};

/** All of them are always on: they cost nothing where they save nothing. */
export const features: readonly Feature[] = [
  {
    name: "batching",
    enabled: true,
    text: "Records of a tick that go the same way leave in one frame, up to deliverRecordsMax and deliverBytesMax",
    settings: ["websocket.limits.deliverRecordsMax", "websocket.limits.deliverBytesMax"],
  },
  {
    name: "sharedEncoding",
    enabled: true,
    text: "A frame is encoded once for all live receivers of a filter and handed to the socket layer once",
    settings: [],
  },
  {
    name: "ring",
    enabled: true,
    text: "The newest records are kept in memory, so that who comes back soon does not make the log read",
    settings: ["cache.recentRecords", "cache.recentBytes"],
  },
  {
    name: "liveAndBehind",
    enabled: true,
    text: "A receiver that cannot follow reads the log at its own pace and costs no memory",
    settings: [
      "websocket.limits.deliverWindowRecords",
      "websocket.limits.deliverWindowBytes",
      "websocket.limits.lookaheadRecords",
    ],
  },
  {
    name: "deduplication",
    enabled: true,
    text: "What a client publishes again after a lost answer is not stored again",
    settings: [],
  },
];

/** Part of the mission that this release does not have. */
export const notYet: readonly string[] = ["compression", "adaptive batching", "load balancing"];

export function savings(inspector: Inspector) {
  const totals = inspector.totals();
  const { subscriptionsBehind, filters, ring } = inspector.node();
  const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  const pages = totals.pagesFromRing + totals.pagesFromLog;
  return {
    batching: {
      frames: totals.fanOutFrames,
      records: totals.fanOutRecords,
      recordsPerFrame: ratio(totals.fanOutRecords, totals.fanOutFrames),
    },
    sharedEncoding: {
      framesEncoded: totals.fanOutFrames,
      framesSent: totals.fanOutFramesSent,
      sendsPerEncoding: ratio(totals.fanOutFramesSent, totals.fanOutFrames),
      bytesNotEncoded: totals.fanOutBytesSent - totals.fanOutBytes,
    },
    ring: {
      pagesFromRing: totals.pagesFromRing,
      pagesFromLog: totals.pagesFromLog,
      hitRatio: ratio(totals.pagesFromRing, pages),
      records: ring.records,
      bytes: ring.bytes,
    },
    liveAndBehind: { subscriptionsBehind, filters },
    deduplication: { recordsStored: totals.recordsPublished, recordsNotStoredAgain: totals.recordsDuplicate },
  };
}
