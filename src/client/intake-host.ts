/**
 * What a subscription's intake needs of the client around it, and what it tells.
 * @module
 */
import type { Credit, Nak } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import type { Lane } from "../protocol/lane.ts";
import type { AckQueue } from "./acks.ts";
import type { Persistence } from "./persistence.ts";
import type { ClientClock } from "./ports.ts";

export type IntakeHost = {
  readonly clock: ClientClock;
  readonly acks: AckQueue;
  readonly persistence: Persistence | undefined;
  /** Goes nowhere while there is no connection. */
  send(frame: Credit | Nak): void;
};
export type IntakeEvents = {
  /** Something can be taken. */
  ready(): void;
  hole(chain: { readonly lane: Lane; readonly last: Seq }): void;
  /** QoS 0: this many frames' worth of the chain passed by. */
  skipped(stretch: { readonly lane: Lane; readonly after: Seq; readonly upTo: Seq }): void;
};
