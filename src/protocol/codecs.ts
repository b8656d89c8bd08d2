/**
 * The codecs by name. A client that speaks one of them imports that one alone.
 *
 * Pure.
 * @module
 */
import type { Codec, CodecName } from "./codec.ts";
import { jsonCodec } from "./codec-json.ts";
import { msgpackCodec } from "./codec-msgpack.ts";
import { protobufCodec } from "./codec-protobuf.ts";

export const codecs: Readonly<Record<CodecName, Codec>> = {
  msgpack: msgpackCodec,
  protobuf: protobufCodec,
  json: jsonCodec,
};
