/**
 * The features that this gateway offers. One table decides where a client's frame goes; what is not offered is refused.
 * @module
 */
import { featureOf } from "../../protocol/all-frames.ts";
import type { FeatureClientFrame, FeatureName } from "../../protocol/feature-frame.ts";
import type { SessionId } from "../../protocol/ids.ts";
import { errorFrame } from "../session/context.ts";
import type { SessionFrame } from "../session/session.ts";
import type { Attachment, Feature } from "./feature.ts";

/** Frames that come after WELCOME. */
export type LaterFrame = SessionFrame | FeatureClientFrame;

export function isOfFeature(frame: LaterFrame): frame is FeatureClientFrame {
  return featureOf(frame.type) !== undefined;
}

export class Features {
  readonly #offered = new Map<FeatureName, Feature>();

  /** Before the first connection. */
  offer<Name extends FeatureName, F extends Feature<Name>>(feature: F & { readonly name: Name }): F {
    // Each gets its own frames alone: `receive` below reads the same table that the type is made of.
    this.#offered.set(feature.name, feature as unknown as Feature);
    return feature;
  }

  /** For WELCOME. */
  get names(): readonly FeatureName[] {
    return [...this.#offered.keys()];
  }

  receive(attachment: Attachment, frame: FeatureClientFrame): void | Promise<void> {
    const name = featureOf(frame.type) as FeatureName;
    const ref = "ref" in frame ? { ref: frame.ref } : {};
    const feature = this.#offered.get(name);
    if (feature === undefined) {
      const what = `${frame.type.toUpperCase()} belongs to "${name}", which this gateway does not offer`;
      return void attachment.peer.send(errorFrame("featureUnavailable", what, ref));
    }
    if ("ref" in frame && frame.ref === 0)
      return void attachment.peer.send(errorFrame("badFrameShape", "Numbers begin with 1, not 0 at $.ref"));
    return feature.receive(attachment, frame);
  }

  attached(attachment: Attachment): void {
    for (const feature of this.#offered.values()) feature.attached?.(attachment);
  }
  reauthenticated(attachment: Attachment): void {
    for (const feature of this.#offered.values()) feature.reauthenticated?.(attachment);
  }
  detached(attachment: Attachment, cause: string): void {
    for (const feature of this.#offered.values()) feature.detached?.(attachment, cause);
  }
  gone(session: SessionId, why: "ended" | "elsewhere"): void {
    for (const feature of this.#offered.values()) feature.gone?.(session, why);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#offered.values()].map((feature) => feature.stop?.()));
  }
}
