/**
 * The codecs by name. A client that speaks one of them imports that one alone.
 *
 * Pure.
 * @module
 */
import type { Codec } from "./codec.ts";
import { jsonCodec } from "./codec-json.ts";
import { msgpackCodec } from "./codec-msgpack.ts";

export const codecs: Readonly<Record<"msgpack" | "json", Codec>> = { msgpack: msgpackCodec, json: jsonCodec };
