/**
 * Every frame there is: the core's and those of all features.
 *
 * Pure.
 * @module
 */
import type { FeatureClientFrame, FeatureName } from "./feature-frame.ts";
import { featureClientFrames, featureNumbers } from "./feature-frame.ts";
import type { ClientFrame, FrameType } from "./frame.ts";
import { clientFrames, coreNumbers } from "./frame.ts";
import { poolFrames } from "./pool-shape.ts";
import { presenceFrames } from "./presence-shape.ts";
import { requestFrames } from "./request-shape.ts";
import type { FrameShape, Shape } from "./shape.ts";
import { coreFrames } from "./vocabulary.ts";

export const frameNumbers: Readonly<Record<FrameType, number>> = {
  ...coreNumbers,
  ...featureNumbers.requests,
  ...featureNumbers.presence,
  ...featureNumbers.pools,
};

export const featureFrames: readonly FrameShape[] = [...requestFrames, ...presenceFrames, ...poolFrames];
export const allFrames: readonly FrameShape[] = [...coreFrames, ...featureFrames];

export const frameShapes = Object.fromEntries(allFrames.map(({ type, shape }) => [type, shape])) as Readonly<
  Record<FrameType, Shape>
>;

/** What a client may send. Anything else from a client is `unexpectedFrame`. */
export type FromClient = ClientFrame | FeatureClientFrame;
export const fromClient: ReadonlySet<string> = new Set([...clientFrames, ...Object.keys(featureClientFrames)]);

/** The feature that a client's frame is for; undefined: it is one of the core. */
export function featureOf(type: string): FeatureName | undefined {
  return (featureClientFrames as Readonly<Record<string, FeatureName>>)[type];
}
