/**
 * What a feature is to the gateway: something beside publishing and subscribing that has frames of its own (requests,
 * presence, pools). A feature is offered in WELCOME; connections hand it its frames and tell it who comes and goes.
 *
 * Types only. Which frame is for which feature: protocol/feature-frame.ts.
 * @module
 */
import type { FeatureClientFrame, FeatureName, featureClientFrames } from "../../protocol/feature-frame.ts";
import type { SessionId } from "../../protocol/ids.ts";
import type { Peer } from "../session/context.ts";

/** A connection and the session that it carries: the same object from `attached` to `detached`. */
export type Attachment = {
  readonly session: SessionId;
  /** Counts the owners of the session: of two attachments of it the higher is the later one. */
  readonly owner: number;
  /** Identity and limits change with AUTH and never else; `send` after `detached` goes nowhere. */
  readonly peer: Peer;
};

export type FrameOf<Name extends FeatureName> = Extract<
  FeatureClientFrame,
  {
    type: {
      [T in keyof typeof featureClientFrames]: (typeof featureClientFrames)[T] extends Name ? T : never;
    }[keyof typeof featureClientFrames];
  }
>;

export type Feature<Name extends FeatureName = FeatureName> = {
  readonly name: Name;
  /**
   * A frame of its own, its shape checked and nothing more, in the order they came. What it throws is the connection's
   * crash.
   */
  receive(attachment: Attachment, frame: FrameOf<Name>): void | Promise<void>;
  /** WELCOME has been sent: a session that was opened, or came back. */
  attached?(attachment: Attachment): void;
  /** Its token was renewed: `peer.identity` may allow less now. */
  reauthenticated?(attachment: Attachment): void;
  /** The connection is gone; the session may come back, here or on another node. */
  detached?(attachment: Attachment, cause: string): void;
  /** The session is no longer this node's: over for good, or another node has it. It is not attached any more. */
  gone?(session: SessionId, why: "ended" | "elsewhere"): void;
  /** The gateway ends; its connections are gone, the log and the bus are still there. */
  stop?(): Promise<void>;
};
