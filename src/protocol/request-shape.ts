/**
 * The shapes of the frames of request/reply (feature-frame.ts), as data. The rules are those of frame-shape.ts.
 *
 * Pure.
 * @module
 */
import type { Cancel, RequestFrame, ResponseFrame, Serve, Served, Unserve, Unserved } from "./feature-frame.ts";
import { featureNumbers } from "./feature-frame.ts";
import {
  bytes,
  type FrameShape,
  frameShapesOf,
  headers,
  may,
  must,
  type Shape,
  shape,
  text,
  topic,
  uint,
} from "./shape.ts";

const requestShapes: { readonly [T in keyof typeof featureNumbers.requests]: Shape } = {
  request: shape<RequestFrame>("Request", {
    ref: must(uint),
    topic: must(topic),
    payload: must(bytes),
    headers: may(headers),
    deadlineMs: may(uint),
  }),
  response: shape<ResponseFrame>("Response", {
    ref: must(uint),
    payload: must(bytes),
    headers: may(headers),
    error: may(text),
  }),
  cancel: shape<Cancel>("Cancel", { ref: must(uint) }),
  serve: shape<Serve>("Serve", { ref: must(uint), filter: must(topic) }),
  served: shape<Served>("Served", { ref: must(uint), filter: must(topic) }),
  unserve: shape<Unserve>("Unserve", { ref: must(uint), filter: must(topic) }),
  unserved: shape<Unserved>("Unserved", { ref: must(uint), filter: must(topic), cause: may(text) }),
};

export const requestFrames: readonly FrameShape[] = frameShapesOf(featureNumbers.requests, requestShapes);
