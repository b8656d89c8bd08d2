/**
 * What a delivery is made with: the socket that it sends to, its bounds, and where its receiver stands.
 *
 * Types only.
 * @module
 */
import type { LanePositions } from "../actors/session/state.ts";
import type { CodecName } from "../protocol/codec.ts";
import type { DeliveredRecord, Frame, Qos, Window } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import type { Hub } from "./hub.ts";
import type { EventLog } from "./log/event-log.ts";
import type { SendResult } from "./transport/transport.ts";

/** What a delivery needs of its connection. */
export type Outlet = {
  readonly codec: CodecName;
  send(frame: Frame): SendResult;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  bufferedBytes(): number;
};

export type DeliveryBounds = {
  readonly deliverRecordsMax: number;
  readonly deliverBytesMax: number;
  readonly lookaheadRecords: number;
};

export type DeliveryOptions = {
  readonly hub: Hub;
  readonly log: EventLog;
  readonly outlet: Outlet;
  readonly bounds: DeliveryBounds;
  readonly filter: string;
  readonly qos: Qos;
  readonly window: Window;
  readonly congestion: "skip" | "conflate";
  /** What the receiver has acknowledged. */
  readonly positions: LanePositions;
  /** Retention took what it was owed up to here; 0: nothing. The positions stay until it has acknowledged that. */
  readonly trimmedTo: Seq;
  /** Up to this seq only the newest record of each topic is delivered. */
  readonly lastOnlyUpTo: Seq;
  /** Records that came into being while the receiver was here were sent. */
  readonly delivered: (records: readonly DeliveredRecord[]) => void;
  /** Retention took what had not been sent: the receiver is to be told. */
  readonly trimmed: () => void;
  /** The log failed while a reader read: the connection cannot go on. */
  readonly readFailed: (error: unknown) => void;
};
