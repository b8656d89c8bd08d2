/**
 * Speaks `weir.v1.msgpack` as docs/protocol/v1.md says: credit, the receiver's rule, coalesced
 * acknowledgements, resume with positions.
 * @module
 */

import type { ChainSeq, Deliver, Frame, HeldPosition, PublishRecord, Window } from "../../src/protocol/frame.ts";
import { recordBytes } from "../../src/protocol/frame.ts";
import type { ChainId, LogEpoch, Seq, SessionId } from "../../src/protocol/ids.ts";
import type { Lane } from "../../src/protocol/lane.ts";
import { limits } from "../../src/protocol/limits.ts";
import { receive } from "../../src/protocol/position.ts";
import { payloadIndex, payloadPool, payloadSentAt, writePayload } from "../load/payload.ts";
import type { Batch, Dialect, DialectOptions, Publisher, SubscribeOptions, Subscriber } from "./dialect.ts";
import { SharedFrames, WeirPeer } from "./weir-peer.ts";

/** Acknowledgements travel after so many records or so much time, as the SDK's do. */
const ackRecords = 256;
const ackMs = 50;
const batchMax = 512;

export function weirDialect(options: DialectOptions): Dialect {
  const sharedFrames = new SharedFrames();
  const followers = new Set<Follower>();
  let tier = "unknown";
  setInterval(() => {
    for (const follower of followers) follower.acknowledge();
  }, ackMs);

  return {
    async openPublisher() {
      const source = new Source(options);
      tier = await source.connect();
      return source;
    },
    async openSubscriber(wanted) {
      const follower = new Follower({ ...options, sharedFrames: wanted.qos === 2 ? undefined : sharedFrames }, wanted);
      await follower.start();
      followers.add(follower);
      return follower;
    },
    async openIdle() {
      const peer = new WeirPeer({ ...options, sharedFrames: undefined }, () => {});
      tier = (await peer.connect({})).tier;
    },
    describe: () => `tier ${tier}`,
  };
}

class Source implements Publisher {
  readonly #peer: WeirPeer;
  readonly #payloads = payloadPool(batchMax);
  #credit: Window = { records: 0, bytes: 0 };
  #sent = 0;
  #settled = 0;
  #recordBytes = 1;

  constructor(options: DialectOptions) {
    this.#peer = new WeirPeer({ ...options, sharedFrames: undefined }, (frame) => {
      if (frame.type === "credit") this.#credit = frame;
      if (frame.type !== "published") return;
      const refused = frame.refused?.[0];
      if (refused !== undefined) options.onFailure(`Gateway refused a publish: ${refused.message}`);
      this.#settled = frame.upTo;
      options.onProgress();
    });
  }

  async connect(): Promise<string> {
    const welcome = await this.#peer.connect({});
    this.#credit = welcome.credit;
    return welcome.tier;
  }

  publish(topic: string, { first, count, sentAt }: Batch): void {
    const records: PublishRecord[] = new Array(count);
    for (let i = 0; i < count; i += 1) {
      const payload = this.#payloads[i] as Uint8Array;
      writePayload(payload, first + i, sentAt);
      records[i] = { topic, payload };
    }
    this.#recordBytes = recordBytes(records[0] as PublishRecord);
    this.#peer.send({ type: "publish", first: this.#sent + 1, records });
    this.#sent += count;
  }

  settled(): number {
    return this.#settled;
  }

  room(): number {
    const allowed = Math.min(this.#credit.records, Math.floor(this.#credit.bytes / this.#recordBytes));
    return allowed - (this.#sent - this.#settled);
  }
}

type Chain = { readonly lane: Lane; last: Seq; acknowledged: Seq; askedFrom: Seq | undefined };

class Follower implements Subscriber {
  readonly #options: DialectOptions;
  readonly #wanted: SubscribeOptions;
  readonly #peer: WeirPeer;
  readonly #chains = new Map<ChainId, Chain>();
  #session: SessionId | undefined;
  #resumeKey = "";
  #epoch: LogEpoch | undefined;
  #pending = 0;
  #skipped = 0;
  #subscribed: (() => void) | undefined;

  constructor(options: DialectOptions & { readonly sharedFrames: SharedFrames | undefined }, wanted: SubscribeOptions) {
    this.#options = options;
    this.#wanted = wanted;
    this.#peer = new WeirPeer(options, (frame) => this.#received(frame));
  }

  async start(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#subscribed = resolve;
    const welcome = await this.#peer.connect({});
    this.#session = welcome.session;
    this.#resumeKey = welcome.resumeKey;
    this.#epoch = welcome.epoch;
    // More than the default, or the window and not the server bounds what is in flight.
    const window = { records: limits.deliverWindowRecordsMax, bytes: 4 * limits.deliverWindowBytes };
    this.#peer.send({ type: "subscribe", ref: 1, filter: this.#wanted.topic, qos: this.#wanted.qos, window });
    await promise;
  }

  drop(): void {
    this.#peer.drop();
  }

  async resume(): Promise<void> {
    const hello = { session: this.#session as SessionId, resumeKey: this.#resumeKey };
    const positions: HeldPosition[] = [];
    for (const { lane, last } of this.#chains.values()) positions.push({ filter: this.#wanted.topic, lane, seq: last });
    this.#pending = 0;
    const welcome = await this.#peer.connect(
      this.#wanted.qos === 2 ? { ...hello, epoch: this.#epoch as LogEpoch, positions } : hello,
    );
    if (welcome.outcome !== "resumed") this.#options.onFailure(`Session was not resumed: ${welcome.cause}`);
  }

  skipped(): number {
    return this.#skipped;
  }

  /** Tells what was processed since the last time. */
  acknowledge(): void {
    if (this.#pending === 0) return;
    this.#pending = 0;
    const upTo: ChainSeq[] = [];
    for (const [chain, state] of this.#chains) {
      if (state.last === state.acknowledged) continue;
      state.acknowledged = state.last;
      upTo.push({ chain, seq: state.last });
    }
    if (upTo.length > 0) this.#peer.send({ type: "ack", upTo });
  }

  #received(frame: Frame): void {
    if (frame.type === "deliver") return this.#deliver(frame);
    if (frame.type !== "subscribed") return;
    this.#chains.clear();
    for (const { chain, lane, last } of frame.chains) {
      this.#chains.set(chain, { lane, last, acknowledged: last, askedFrom: undefined });
    }
    this.#subscribed?.();
    this.#subscribed = undefined;
  }

  #deliver({ chain: id, prev, upTo: told, attempt, records }: Deliver): void {
    const chain = this.#chains.get(id);
    if (chain === undefined || attempt !== undefined) {
      this.#options.onFailure(
        chain === undefined
          ? `DELIVER names the unknown chain ${id}`
          : "DELIVER is a redelivery, but nothing was NAKed",
      );
      return;
    }
    const upTo = told ?? records.at(-1)?.seq ?? prev;
    const verdict = receive(chain.last, { prev, upTo });
    if (verdict === "seen") {
      this.#skipped += records.length;
      return;
    }
    if (verdict === "hole" && this.#wanted.qos > 0) return this.#askAgain(id, chain);
    for (const { seq, payload } of records) {
      if (seq > chain.last) this.#wanted.onRecord(payloadIndex(payload), payloadSentAt(payload));
      else this.#skipped += 1;
    }
    chain.last = upTo;
    chain.askedFrom = undefined;
    if (this.#wanted.qos === 0) return;
    this.#pending += records.length;
    if (this.#pending >= ackRecords) this.acknowledge();
  }

  /** Once, until something arrives that fits. */
  #askAgain(id: ChainId, chain: Chain): void {
    if (chain.askedFrom === chain.last) return;
    chain.askedFrom = chain.last;
    this.#peer.send({
      type: "credit",
      filter: this.#wanted.topic,
      records: 0,
      bytes: 0,
      holes: [{ chain: id, seq: chain.last }],
    });
  }
}
