/**
 * The codecs by name, with the frames of all features. A client that speaks one of them imports that one alone.
 *
 * Pure.
 * @module
 */
import { featureFrames } from "./all-frames.ts";
import type { Codec, CodecName } from "./codec.ts";
import { jsonCodec } from "./codec-json.ts";
import { msgpackCodec } from "./codec-msgpack.ts";
import { protobufCodec } from "./codec-protobuf.ts";

export const codecs: Readonly<Record<CodecName, Codec>> = {
  msgpack: msgpackCodec.knowing(featureFrames),
  protobuf: protobufCodec.knowing(featureFrames),
  json: jsonCodec.knowing(featureFrames),
};
