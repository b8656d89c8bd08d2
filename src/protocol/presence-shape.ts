/**
 * The shapes of the frames of presence (feature-frame.ts), as data. The rules are those of frame-shape.ts.
 *
 * Pure.
 * @module
 */
import type { Presence, PresenceChanged, PresenceMember, Presences, Track, Tracked, Untrack } from "./feature-frame.ts";
import { featureNumbers } from "./feature-frame.ts";
import {
  bool,
  bytes,
  type FrameShape,
  frameShapesOf,
  list,
  may,
  must,
  object,
  type Shape,
  shape,
  text,
  topic,
  uint,
} from "./shape.ts";

const member = shape<PresenceMember>("PresenceMember", {
  session: must(text),
  subject: must(text),
  data: may(bytes),
  since: must(uint),
});
const presenceShapes: { readonly [T in keyof typeof featureNumbers.presence]: Shape } = {
  track: shape<Track>("Track", { ref: must(uint), topic: must(topic), data: may(bytes) }),
  untrack: shape<Untrack>("Untrack", { ref: must(uint), topic: must(topic) }),
  tracked: shape<Tracked>("Tracked", { ref: must(uint), topic: must(topic), on: must(bool) }),
  presence: shape<Presence>("Presence", {
    ref: must(uint),
    topic: must(topic),
    watch: may(bool),
    cursor: may(text),
    limit: may(uint),
  }),
  presences: shape<Presences>("Presences", {
    ref: must(uint),
    topic: must(topic),
    total: must(uint),
    members: must(list(object(member))),
    next: may(text),
  }),
  presenceChanged: shape<PresenceChanged>("PresenceChanged", {
    topic: must(topic),
    total: must(uint),
    joined: must(list(object(member))),
    left: must(list(text)),
  }),
};

export const presenceFrames: readonly FrameShape[] = frameShapesOf(featureNumbers.presence, presenceShapes);
