/**
 * The shape of every frame, once, as data: which fields, in which order, of what kind, within which limit; those of
 * features are in feature-shape.ts. All codecs write and read by this table, and src/protocol/frame-reader.ts checks by it.
 *
 * The order is the order of msgpack's positions, and field n has the number n in schemas/weir/v1. New fields are
 * appended, optional. A list or headers that may be left out are left out when empty, so that the three codecs
 * (Protobuf cannot tell empty from absent) say the same.
 *
 * Pure. Owns: the table covers the types of frame.ts exactly (the compiler refuses a field too many, too few, or
 * required on one side only).
 * @module
 */
import type {
  Ack,
  Auth,
  Authenticated,
  Begin,
  ChainInfo,
  ChainSeq,
  Commit,
  Committed,
  CoreFrameType,
  Credit,
  Deliver,
  ErrorFrame,
  Goaway,
  HeldPosition,
  Hello,
  Nak,
  Page,
  Ping,
  Pong,
  Publish,
  Published,
  PublishedRun,
  PublishRecord,
  Read,
  RefusedPublish,
  Rollback,
  Subscribe,
  Subscribed,
  Unsubscribe,
  Unsubscribed,
  Welcome,
  Window,
} from "./frame.ts";
import { resumeKinds } from "./position.ts";
import {
  anyText,
  bool,
  bytes,
  code,
  deliveredRecordShape,
  headers,
  lane,
  list,
  may,
  must,
  object,
  qos,
  type Shape,
  shape,
  text,
  token,
  topic,
  uint,
  word,
} from "./shape.ts";

const publishRecord = shape<PublishRecord>("PublishRecord", {
  topic: must(anyText),
  payload: must(bytes),
  lane: may(lane),
  headers: may(headers),
});
const window = object(shape<Window>("Window", { records: must(uint), bytes: must(uint) }));
const heldPosition = shape<HeldPosition>("HeldPosition", { filter: must(topic), lane: must(lane), seq: must(uint) });
const run = shape<PublishedRun>("PublishedRun", { n: must(uint), seq: must(uint), count: must(uint) });
const refusedPublish = shape<RefusedPublish>("RefusedPublish", {
  n: must(uint),
  code: must(code),
  cause: must(text),
  message: must(text),
});
const chainInfo = shape<ChainInfo>("ChainInfo", { chain: must(uint), lane: must(lane), last: must(uint) });
const chainSeqs = list(object(shape<ChainSeq>("ChainSeq", { chain: must(uint), seq: must(uint) })));
const records = list(object(deliveredRecordShape));

const startAt = object({
  ...shape<{ kind: string; seq?: number; epoch?: string; time?: number }>("StartAt", {
    kind: must(word("new", "all", "position", "time", "last")),
    seq: may(uint),
    epoch: may(text),
    time: may(uint),
  }),
  variants: { new: [], all: [], position: ["seq", "epoch"], time: ["time"], last: [] },
});
const resumeAnswer = object({
  ...shape<{ kind: string; from?: number; first?: number; last?: number }>("ResumeAnswer", {
    kind: must(word(...resumeKinds)),
    from: may(uint),
    first: may(uint),
    last: may(uint),
  }),
  variants: { upToDate: [], replay: ["from"], trimmed: ["first"], epochChanged: ["first"], ahead: ["last"] },
});

export const coreShapes: { readonly [T in CoreFrameType]: Shape } = {
  hello: shape<Hello>("Hello", {
    session: may(text),
    resumeKey: may(text),
    token: may(token),
    resumeWindowMs: may(uint),
    settled: may(uint),
    epoch: may(text),
    positions: may(list(object(heldPosition))),
    agent: may(text),
    ticket: may(token),
  }),
  welcome: shape<Welcome>("Welcome", {
    session: must(text),
    resumeKey: must(text),
    outcome: must(word("opened", "resumed")),
    cause: may(text),
    owner: must(uint),
    node: must(text),
    epoch: must(text),
    tier: must(text),
    resumeWindowMs: must(uint),
    publishedUpTo: must(uint),
    refused: may(list(object(refusedPublish))),
    credit: must(window),
    heartbeatMs: must(uint),
    frameBytesMax: must(uint),
    payloadBytesMax: must(uint),
    time: must(uint),
    features: must(list(text)),
    expiresAt: may(uint),
  }),
  publish: shape<Publish>("Publish", {
    records: must(list(object(publishRecord))),
    first: may(uint),
    settled: may(uint),
    tx: may(uint),
  }),
  published: shape<Published>("Published", {
    upTo: must(uint),
    runs: must(list(object(run))),
    refused: may(list(object(refusedPublish))),
  }),
  subscribe: shape<Subscribe>("Subscribe", {
    ref: must(uint),
    filter: must(topic),
    qos: may(qos),
    start: may(startAt),
    window: may(window),
    congestion: may(word("skip", "conflate")),
    ackWaitMs: may(uint),
    maxDeliver: may(uint),
  }),
  subscribed: shape<Subscribed>("Subscribed", {
    ref: must(uint),
    filter: must(topic),
    qos: must(qos),
    chains: must(list(object(chainInfo))),
    window: must(window),
    resume: must(resumeAnswer),
  }),
  unsubscribe: shape<Unsubscribe>("Unsubscribe", { ref: must(uint), filter: must(topic) }),
  unsubscribed: shape<Unsubscribed>("Unsubscribed", { ref: must(uint), filter: must(topic), cause: may(text) }),
  deliver: shape<Deliver>("Deliver", {
    chain: must(uint),
    prev: must(uint),
    records: must(records),
    upTo: may(uint),
    attempt: may(uint),
  }),
  ack: shape<Ack>("Ack", { upTo: may(chainSeqs), only: may(chainSeqs), tx: may(uint) }),
  nak: shape<Nak>("Nak", { chain: must(uint), seq: must(uint), delayMs: may(uint), reason: may(text) }),
  credit: shape<Credit>("Credit", {
    records: must(uint),
    bytes: must(uint),
    filter: may(topic),
    holes: may(chainSeqs),
  }),
  begin: shape<Begin>("Begin", { tx: must(uint) }),
  commit: shape<Commit>("Commit", { tx: must(uint) }),
  rollback: shape<Rollback>("Rollback", { tx: must(uint) }),
  committed: shape<Committed>("Committed", {
    tx: must(uint),
    firstSeq: must(uint),
    lastSeq: must(uint),
    duplicate: may(bool),
  }),
  read: shape<Read>("Read", {
    ref: must(uint),
    filter: must(topic),
    start: may(startAt),
    backward: may(bool),
    limit: may(uint),
  }),
  page: shape<Page>("Page", {
    ref: must(uint),
    records: must(records),
    epoch: must(text),
    next: may(uint),
    firstSeq: must(uint),
    lastSeq: must(uint),
  }),
  ping: shape<Ping>("Ping", { id: must(uint), heads: may(chainSeqs) }),
  pong: shape<Pong>("Pong", { id: must(uint), heads: may(chainSeqs) }),
  goaway: shape<Goaway>("Goaway", {
    code: must(code),
    cause: must(text),
    message: must(text),
    retryAfterMs: may(uint),
    url: may(text),
    ticket: may(token),
  }),
  error: shape<ErrorFrame>("Error", {
    code: must(code),
    cause: must(text),
    message: must(text),
    retryable: must(bool),
    ref: may(uint),
    tx: may(uint),
    n: may(uint),
    chain: may(uint),
    seq: may(uint),
    retryAfterMs: may(uint),
  }),
  auth: shape<Auth>("Auth", { token: must(token) }),
  authenticated: shape<Authenticated>("Authenticated", { expiresAt: may(uint) }),
};
