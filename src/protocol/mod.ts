/**
 * The protocol room's public face: frames, codecs, subprotocols, topics, positions, limits and codes. Pure and safe
 * in browsers; docs/protocol/v1.md says what it all means.
 * @module
 */

export type { AfterClose } from "./after-close.ts";
export { afterClose, closeReason } from "./after-close.ts";
export { frameNumbers, fromClient } from "./all-frames.ts";
export type { CloseName } from "./close-code.ts";
export { closeCodes, closeName } from "./close-code.ts";
export type { Codec, CodecName, Decoded, DecodeFailure, DecodeLimit } from "./codec.ts";
export { jsonCodec } from "./codec-json.ts";
export { msgpackCodec } from "./codec-msgpack.ts";
export { protobufCodec } from "./codec-protobuf.ts";
export { codecs } from "./codecs.ts";
export type { ErrorName } from "./error-code.ts";
export { errorCodes, errorName } from "./error-code.ts";
export type * from "./feature-frame.ts";
export type * from "./frame.ts";
export { clientFrames, recordBytes } from "./frame.ts";
export type { ChainId, ConnectionId, EpochMs, LogEpoch, Seq, SessionId } from "./ids.ts";
export type { Lane, LaneName } from "./lane.ts";
export { isLane, laneCount, laneNames, lanes, normalLane } from "./lane.ts";
export type { Limits } from "./limits.ts";
export { assertLimits, limits } from "./limits.ts";
export type { EarlierEpoch, LogBounds, Position, ResumeAnswer, ResumeKind } from "./position.ts";
export { planResume, resumeAfter, resumeKinds } from "./position.ts";
export type { ChosenSubprotocol, Subprotocol } from "./subprotocol.ts";
export { chooseSubprotocol, subprotocolOf, subprotocols } from "./subprotocol.ts";
export type { TopicLimits } from "./topic.ts";
export { covers, filterProblem, isReserved, isWildcard, matches, topicProblem } from "./topic.ts";
export { TopicTrie } from "./topic-trie.ts";
