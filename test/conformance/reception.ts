/**
 * The receiving end of one subscription, by the receiver's rule alone: takes DELIVER frames of its chains,
 * fails the case where an interval does not continue what was received, and counts what is unacknowledged.
 * @module
 */
import { type DeliveredRecord, recordBytes, type Subscribed, type Window } from "../../src/protocol/frame.ts";
import type { ChainId, Seq } from "../../src/protocol/ids.ts";
import type { Lane } from "../../src/protocol/lane.ts";
import { receive } from "../../src/protocol/position.ts";
import { check, type FrameOf, type Peer, show } from "./peer.ts";

export class Reception {
  readonly peer: Peer;
  readonly subscribed: Subscribed;
  /** `last` of each chain. */
  readonly last = new Map<ChainId, Seq>();
  /** Received and not ACKed. */
  unacked: { readonly chain: ChainId; readonly record: DeliveredRecord }[] = [];
  readonly #ready: DeliveredRecord[] = [];

  constructor(peer: Peer, subscribed: Subscribed) {
    this.peer = peer;
    this.subscribed = subscribed;
    for (const { chain, last } of subscribed.chains) this.last.set(chain, last);
  }

  chain(lane: Lane): ChainId {
    const info = this.subscribed.chains.find((one) => one.lane === lane);
    check(info !== undefined, `SUBSCRIBED for ${this.subscribed.filter} has no chain for lane ${lane}`);
    return info.chain;
  }

  /** The next `count` records, over all lanes, in order of arrival. */
  async take(count: number): Promise<DeliveredRecord[]> {
    while (this.#ready.length < count) this.#accept(await this.frame());
    return this.#ready.splice(0, count);
  }

  /** Takes in what has already come; answers what was received and not taken. */
  async pending(): Promise<readonly DeliveredRecord[]> {
    while (this.peer.unread("deliver").some((frame) => this.#mine(frame))) this.#accept(await this.frame());
    return this.#ready;
  }

  /** The next DELIVER of this subscription, redeliveries aside, untouched by the rule. */
  frame(): Promise<FrameOf<"deliver">> {
    return this.peer.expect("deliver", (frame) => this.#mine(frame));
  }

  /** The next redelivery of a NAKed record. */
  redelivery(): Promise<FrameOf<"deliver">> {
    return this.peer.expect("deliver", (frame) => frame.attempt !== undefined && this.last.has(frame.chain));
  }

  unackedTotal(): Window {
    return {
      records: this.unacked.length,
      bytes: this.unacked.reduce((sum, { record }) => sum + recordBytes(record), 0),
    };
  }

  /** ACKs all that was received. */
  ack(): void {
    this.peer.send({ type: "ack", upTo: [...this.last].map(([chain, seq]) => ({ chain, seq })) });
    this.unacked = [];
  }

  #mine(frame: FrameOf<"deliver">): boolean {
    return frame.attempt === undefined && this.last.has(frame.chain);
  }

  #accept(frame: FrameOf<"deliver">): void {
    const last = this.last.get(frame.chain) as Seq;
    const upTo = frame.upTo ?? frame.records.at(-1)?.seq;
    check(upTo !== undefined, `DELIVER without records has no upTo: ${show(frame)}`);
    const verdict = receive(last, { prev: frame.prev, upTo });
    check(verdict !== "hole", `DELIVER leaves a hole after last ${last}: ${show(frame)}`);
    let before: number = frame.prev;
    for (const record of frame.records) {
      check(
        record.seq > before && record.seq <= upTo,
        `DELIVER's seqs do not ascend in (${frame.prev}, ${upTo}]: ${show(frame)}`,
      );
      before = record.seq;
    }
    if (verdict === "seen") return;
    for (const record of frame.records.filter(({ seq }) => seq > last)) {
      this.#ready.push(record);
      this.unacked.push({ chain: frame.chain, record });
    }
    this.last.set(frame.chain, upTo);
  }
}
