/**
 * The frames that a codec knows, by name and by number. A gateway's codecs know them all (codecs.ts). The SDK's begins
 * with the core, and learns a feature's frames when its entry point is used: nobody loads what is not used.
 *
 * Pure.
 * @module
 */
import { coreNumbers } from "./frame.ts";
import { coreShapes } from "./frame-shape.ts";
import { type FrameShape, frameShapesOf } from "./shape.ts";

export type Vocabulary = {
  readonly frames: readonly FrameShape[];
  readonly byType: ReadonlyMap<unknown, FrameShape>;
  readonly byNumber: ReadonlyMap<unknown, FrameShape>;
};

export function vocabularyOf(frames: readonly FrameShape[]): Vocabulary {
  return {
    frames,
    byType: new Map(frames.map((frame) => [frame.type, frame])),
    byNumber: new Map(frames.map((frame) => [frame.number, frame])),
  };
}

export const coreFrames: readonly FrameShape[] = frameShapesOf(coreNumbers, coreShapes);
