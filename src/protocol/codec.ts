/**
 * What a codec is: frames to bytes and back, at one door. Size is checked before decoding, depth and
 * lengths before allocation, shape after; past the door a frame is trusted in shape (not in meaning).
 *
 * Pure.
 * @module
 */
import type { Frame } from "./frame.ts";
import type { Limits } from "./limits.ts";
import type { FrameShape } from "./shape.ts";

export type CodecName = "msgpack" | "protobuf" | "json";

/** `code` is a name of src/protocol/error-code.ts; `at` a path such as `$.records[3].topic`. */
export type DecodeFailure = {
  readonly ok: false;
  readonly code: "frameTooLarge" | "frameTooDeep" | "malformedFrame" | "unknownFrame" | "badFrameShape";
  readonly at: string;
  readonly message: string;
  /** Of the frame that was refused, where it could be read. */
  readonly ref?: number;
};
export type Decoded = { readonly ok: true; readonly frame: Frame } | DecodeFailure;

export type Codec = {
  readonly name: CodecName;
  /** Text codecs travel in WebSocket text messages, the others in binary ones. */
  readonly text: boolean;
  /** The result may be sent as it is; it is owned by the caller. */
  encode(frame: Frame): Uint8Array | string;
  /**
   * `payload`s of the frame may be views into `data`: valid as long as `data` is. Never throws.
   * A text message given to a binary codec (or the reverse) is `malformedFrame`.
   */
  decode(data: Uint8Array | string, limits: Pick<Limits, DecodeLimit>): Decoded;
  /** The same codec, which knows these frames too. */
  knowing(frames: readonly FrameShape[]): Codec;
};
export type DecodeLimit =
  | "frameBytesMax"
  | "frameDepthMax"
  | "listItemsMax"
  | "topicBytesMax"
  | "textBytesMax"
  | "tokenBytesMax";
