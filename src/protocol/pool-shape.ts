/**
 * The shapes of the frames of pools (feature-frame.ts), as data. The rules are those of frame-shape.ts.
 *
 * Pure.
 * @module
 */
import type { Done, Failed, Join, Joined, Leave, Left, Work } from "./feature-frame.ts";
import { featureNumbers } from "./feature-frame.ts";
import {
  deliveredRecordShape,
  type FrameShape,
  frameShapesOf,
  list,
  may,
  must,
  object,
  type Shape,
  shape,
  text,
  uint,
} from "./shape.ts";

const poolShapes: { readonly [T in keyof typeof featureNumbers.pools]: Shape } = {
  join: shape<Join>("Join", {
    ref: must(uint),
    pool: must(text),
    weight: may(uint),
    capacity: may(uint),
    tags: may(list(text)),
  }),
  joined: shape<Joined>("Joined", { ref: must(uint), pool: must(text), member: must(text) }),
  leave: shape<Leave>("Leave", { ref: must(uint), pool: must(text) }),
  left: shape<Left>("Left", { ref: must(uint), pool: must(text), cause: may(text) }),
  work: shape<Work>("Work", {
    pool: must(text),
    item: must(uint),
    attempt: must(uint),
    record: must(object(deliveredRecordShape)),
  }),
  done: shape<Done>("Done", { pool: must(text), items: must(list(uint)) }),
  failed: shape<Failed>("Failed", { pool: must(text), item: must(uint), reason: may(text), delayMs: may(uint) }),
};

export const poolFrames: readonly FrameShape[] = frameShapesOf(featureNumbers.pools, poolShapes);
