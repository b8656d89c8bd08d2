import { expect, test } from "bun:test";
import type { Codec, CodecName } from "../../src/protocol/codec.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import { type Deliver, recordBytes } from "../../src/protocol/frame.ts";
import { type Lane, laneCount } from "../../src/protocol/lane.ts";
import { limits } from "../../src/protocol/limits.ts";
import { Feed, type FrameBounds, type LiveReceiver } from "../../src/runtime/feed.ts";
import type { LogRecord } from "../../src/runtime/log/event-log.ts";

type Published = { readonly channel: string; readonly frame: Deliver };
type Sent = { readonly records: number; readonly bytes: number; readonly receivers: number };

/** A feed with the real codecs, whose encodings are counted and whose frames are read as a client reads them. */
function stage(bounds: Partial<FrameBounds> = {}) {
  const published: Published[] = [];
  const sent: Sent[] = [];
  const encoded: Record<CodecName, number> = { msgpack: 0, protobuf: 0, json: 0 };
  const counted = (codec: Codec): Codec => ({
    ...codec,
    encode: (frame) => {
      encoded[codec.name]++;
      return codec.encode(frame);
    },
  });
  const output = {
    codecs: { msgpack: counted(codecs.msgpack), protobuf: counted(codecs.protobuf), json: counted(codecs.json) },
    publish: (channel: string, data: Uint8Array | string) => {
      const decoded = codecs[channel.split(":")[1] as CodecName].decode(data, limits);
      if (!decoded.ok) throw new Error(decoded.message);
      published.push({ channel, frame: decoded.frame as Deliver });
    },
    sent: (records: readonly LogRecord[], bytes: number, receivers: number) =>
      void sent.push({ records: records.length, bytes, receivers }),
  };
  const feed = new Feed("t.>", 7, output, { deliverRecordsMax: 512, deliverBytesMax: 262_144, ...bounds });
  return { feed, published, sent, encoded };
}

/** A receiver with a limit; it leaves when it is overrun or congested. */
class Receiver implements LiveReceiver {
  readonly qos = 1;
  readonly codec: CodecName;
  readonly limitRecords: number;
  readonly limitBytes: number;
  readonly conflates: boolean;
  congested = false;
  overruns = 0;
  readonly #feed: Feed;

  constructor(feed: Feed, options: Partial<Pick<LiveReceiver, "codec" | "limitRecords" | "limitBytes" | "conflates">>) {
    this.#feed = feed;
    this.codec = options.codec ?? "msgpack";
    this.limitRecords = options.limitRecords ?? Number.POSITIVE_INFINITY;
    this.limitBytes = options.limitBytes ?? Number.POSITIVE_INFINITY;
    this.conflates = options.conflates ?? false;
    feed.join(this);
  }
  settled(): number {
    return 0;
  }
  overrun(): void {
    this.overruns++;
    this.#feed.leave(this);
  }
  checkCongestion(): void {
    if (this.congested) this.#feed.leave(this);
  }
}

function record(seq: number, lane: Lane = 2, payloadBytes = 10): LogRecord {
  return { seq, time: 1, topic: "t.a", id: `p/${seq}`, lane, payload: new Uint8Array(payloadBytes) };
}
const seqsOf = ({ frame }: Published) => frame.records.map(({ seq }) => seq);
const oneRecord = recordBytes(record(1));

test("flush() encodes a frame once per codec in use, however many receivers are live", () => {
  const { feed, published, sent, encoded } = stage();
  for (let i = 0; i < 100; i++) new Receiver(feed, { codec: i < 60 ? "msgpack" : "json" });
  for (const seq of [1, 2, 3]) feed.push(record(seq));
  feed.flush();
  expect(encoded).toEqual({ msgpack: 1, json: 1, protobuf: 0 });
  expect(published.map(({ channel }) => channel)).toEqual(["7:msgpack", "7:json"]);
  expect(published.map(seqsOf)).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ]);
  expect(sent.map(({ records, receivers }) => ({ records, receivers }))).toEqual([
    { records: 3, receivers: 60 },
    { records: 3, receivers: 40 },
  ]);
});

test("leave() of the last receiver of a codec ends encoding in that codec", () => {
  const { feed, encoded } = stage();
  new Receiver(feed, {});
  const json = new Receiver(feed, { codec: "json" });
  feed.leave(json);
  feed.leave(json);
  feed.push(record(1));
  feed.flush();
  expect(encoded).toEqual({ msgpack: 1, json: 0, protobuf: 0 });
});

test("flush() splits at deliverRecordsMax, and the frames' intervals join without a gap", () => {
  const { feed, published } = stage({ deliverRecordsMax: 2 });
  new Receiver(feed, {});
  for (const seq of [3, 4, 7, 8, 9]) feed.push(record(seq));
  feed.flush();
  expect(published.map(seqsOf)).toEqual([[3, 4], [7, 8], [9]]);
  expect(published.map(({ frame }) => frame.prev)).toEqual([0, 4, 8]);
  expect(feed.prev(2)).toBe(9);
});

test("flush() splits at deliverBytesMax, and a record larger than that travels alone", () => {
  const { feed, published } = stage({ deliverBytesMax: 2 * oneRecord });
  new Receiver(feed, {});
  for (const seq of [1, 2, 3]) feed.push(record(seq));
  feed.push(record(4, 2, 5_000));
  feed.push(record(5));
  feed.flush();
  expect(published.map(seqsOf)).toEqual([[1, 2], [3], [4], [5]]);
});

test("flush() sends higher lanes first, each on its own chain with its own predecessor", () => {
  const { feed, published } = stage();
  new Receiver(feed, {});
  for (const [seq, lane] of [
    [1, 3],
    [2, 0],
    [3, 2],
    [4, 0],
  ] as const)
    feed.push(record(seq, lane));
  feed.flush();
  feed.push(record(5, 3));
  feed.flush();
  expect(published.map(seqsOf)).toEqual([[2, 4], [3], [1], [5]]);
  expect(published.map(({ frame }) => frame.chain)).toEqual([0, 2, 3, 3].map((lane) => 7 * laneCount + lane));
  expect(published.map(({ frame }) => frame.prev)).toEqual([0, 0, 0, 1]);
});

test("a receiver whose window a frame would pass leaves before the frame, and the others get it", () => {
  const { feed, sent } = stage();
  const narrow = new Receiver(feed, { limitRecords: 3 });
  const thin = new Receiver(feed, { limitBytes: 3 * oneRecord });
  const wide = new Receiver(feed, { limitRecords: 4, limitBytes: 4 * oneRecord });
  for (const seq of [1, 2, 3]) feed.push(record(seq));
  feed.flush();
  expect(sent.at(-1)?.receivers).toBe(3);
  feed.push(record(4));
  feed.flush();
  expect([narrow.overruns, thin.overruns, wide.overruns]).toEqual([1, 1, 0]);
  expect([...feed.liveReceivers]).toEqual([wide]);
  expect(sent.at(-1)?.receivers).toBe(1);
  feed.push(record(5));
  feed.flush();
  expect(wide.overruns).toBe(1);
  expect(feed.liveCount).toBe(0);
  expect(sent).toHaveLength(2);
});

test("a conflating receiver leaves before the frame when its socket is congested, and no other is asked", () => {
  const { feed, sent } = stage();
  const conflating = new Receiver(feed, { conflates: true });
  const plain = new Receiver(feed, {});
  plain.congested = true;
  feed.push(record(1));
  feed.flush();
  expect(sent.at(-1)?.receivers).toBe(2);
  conflating.congested = true;
  feed.push(record(2));
  feed.flush();
  expect([...feed.liveReceivers]).toEqual([plain]);
  expect(sent.at(-1)?.receivers).toBe(1);
});

test("meter() counts every lane's frames by seq, and the feed counts all of them", () => {
  const { feed } = stage();
  new Receiver(feed, {});
  for (const [seq, lane] of [
    [1, 0],
    [2, 2],
    [3, 2],
  ] as const)
    feed.push(record(seq, lane));
  feed.flush();
  expect(feed.meter(2).at(3)).toEqual({ records: 2, bytes: 2 * oneRecord });
  expect(feed.meter(0).at(3)).toEqual({ records: 1, bytes: oneRecord });
  expect([feed.records, feed.bytes]).toEqual([3, 3 * oneRecord]);
});
