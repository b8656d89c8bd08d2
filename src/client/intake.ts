/**
 * One subscription's inner side: its chains, what is under way of them, records that were given back (NAK), and what
 * the gateway must be told about all that.
 *
 * Owns: at QoS 2 the order is process → store position and NAKs → NAK → ACK; a record that was given back is never
 * forgotten, whatever happens to connection and session.
 * @module
 */

import { coreLimits as limits } from "../protocol/core-limits.ts";
import type {
  ChainSeq,
  Deliver,
  DeliveredRecord,
  HeldPosition,
  Qos,
  StartAt,
  Subscribe,
  Subscribed,
  Window,
} from "../protocol/frame.ts";
import type { ChainId, LogEpoch, Seq } from "../protocol/ids.ts";
import { lanes } from "../protocol/lane.ts";
import { Chain, type Item } from "./chain.ts";
import type { IntakeEvents, IntakeHost } from "./intake-host.ts";
import { type SubscribeOptions, startAt } from "./options.ts";
import type { NakOptions } from "./record.ts";

type HeldNak = {
  readonly chain: Chain;
  readonly seq: Seq;
  options: NakOptions;
  attempt: number;
  sent: "never" | "before" | "here";
  running: boolean;
};

/** A head that is ahead of us may only be on its way. */
const headCheckMs = 250;
const nakRetryMs = 1_000;

export class Intake {
  readonly filter: string;
  readonly qos: Qos;
  readonly chains: readonly Chain[];
  readonly #options: SubscribeOptions;
  readonly #host: IntakeHost;
  readonly #events: IntakeEvents;
  readonly #storing: boolean;
  readonly #naks = new Map<string, HeldNak>();
  #again: Item[] = [];
  #nakWaits = false;
  #window: Window;
  #saving: "no" | "yes" | "andAgain" = "no";

  constructor(filter: string, options: SubscribeOptions, host: IntakeHost, events: IntakeEvents) {
    this.filter = filter;
    this.qos = options.qos ?? 1;
    this.#options = options;
    this.#host = host;
    this.#events = events;
    this.#storing = this.qos === 2 && host.persistence !== undefined;
    this.chains = lanes.map((lane) => new Chain(lane, this.#storing));
    this.#window = {
      records: options.window?.records ?? limits.deliverWindowRecords,
      bytes: options.window?.bytes ?? limits.deliverWindowBytes,
    };
  }

  /** Positions of an earlier run: from the store, or the application's own. Called once the store is loaded. */
  restore(): void {
    for (const { epoch, lane, seq } of this.#options.processed ?? []) this.chains[lane]?.restore(epoch, seq);
    if (!this.#storing) return;
    for (const chain of this.chains) {
      const saved = this.#host.persistence?.position(this.filter, chain.lane);
      if (saved !== undefined && !chain.known) chain.restore(saved.epoch, saved.seq);
    }
    for (const { lane, seq, attempt } of this.#host.persistence?.naks(this.filter) ?? []) {
      const chain = this.chains[lane] as Chain;
      this.#naks.set(key(chain, seq), { chain, seq, options: {}, attempt, sent: "before", running: false });
    }
  }

  subscribeFrame(ref: number): Subscribe {
    const { window, ackWaitMs, maxDeliver, congestion } = this.#options;
    return {
      type: "subscribe",
      ref,
      filter: this.filter,
      qos: this.qos,
      start: this.#start(),
      ...(window === undefined ? {} : { window: this.#window }),
      ...(congestion === undefined ? {} : { congestion }),
      ...(ackWaitMs === undefined ? {} : { ackWaitMs }),
      ...(maxDeliver === undefined ? {} : { maxDeliver }),
    };
  }

  /** For HELLO: at QoS 2 what the client has processed is what counts; at QoS 1 it shows a log that lost its end. */
  heldPositions(epoch: LogEpoch): readonly HeldPosition[] {
    if (this.qos === 0) return [];
    return this.chains
      .filter((chain) => chain.known && chain.epoch === epoch)
      .map(({ lane, processed }) => ({ filter: this.filter, lane, seq: processed }));
  }
  get epoch(): LogEpoch | undefined {
    return this.chains.find((chain) => chain.known)?.epoch;
  }

  bind(frame: Subscribed, epoch: LogEpoch): void {
    this.#window = frame.window;
    const { resume } = frame;
    // A log that lost its end gives seqs that we have seen to other records; up to that end it is the same log.
    const isAnew = (last: Seq) => resume.kind === "epochChanged" || (resume.kind === "ahead" && last > resume.last);
    for (const info of frame.chains) {
      const chain = this.chains[info.lane] as Chain;
      const generation = chain.generation;
      chain.bind(info, epoch, isAnew(chain.last) ? "anew" : "keep");
      // The gateway says so at each resume, until it knows that we know.
      if (frame.resume.kind === "trimmed") chain.ackedHere = 0;
      if (chain.generation !== generation) this.#forgetNaks(chain);
      for (const nak of this.#naks.values()) {
        if (nak.chain === chain && (this.qos === 2 || nak.sent === "never")) this.#sendNak(nak);
      }
      this.#moved(chain, 0);
    }
  }

  unbind(): void {
    for (const chain of this.chains) chain.unbind();
    for (const nak of this.#naks.values()) if (nak.sent === "here") nak.sent = "before";
  }

  chain(id: ChainId): Chain | undefined {
    return this.chains.find((chain) => chain.id === id);
  }

  deliver(chain: Chain, frame: Deliver): void {
    if (frame.attempt !== undefined) return this.#redelivered(chain, frame, frame.attempt);
    const last = chain.last;
    const upTo = frame.upTo ?? frame.records.at(-1)?.seq ?? frame.prev;
    if (upTo > last && this.#isFull()) {
      // The gateway keeps to the window; what comes past it at QoS ≥ 1 is not taken, and comes again.
      if (this.qos > 0) return;
      chain.skipTo(upTo);
      return this.#events.skipped({ lane: chain.lane, after: last, upTo });
    }
    this.#repeated(chain, frame);
    const { verdict, items } = chain.accept(frame, this.qos);
    if (verdict === "hole" && !chain.holeAsked) {
      this.#askAgain([chain]);
      this.#events.hole({ lane: chain.lane, last });
    } else if (verdict === "skipped") {
      this.#events.skipped({ lane: chain.lane, after: last, upTo: frame.prev });
    } else if (verdict === "seen") {
      chain.ackedHere = Math.min(chain.ackedHere, frame.prev); // The gateway seems not to know: tell it again.
      this.#moved(chain, 0);
    }
    if (verdict === "accept" && items.length === 0) this.#moved(chain, 0);
    if (items.length > 0 || this.#again.length > 0) this.#events.ready();
  }

  /** The next record: those that come again first, then the higher lane. */
  take(): Item | undefined {
    const again = this.#again.shift();
    if (again !== undefined) return again;
    for (const chain of this.chains) {
      const item = chain.take();
      if (item !== undefined) return item;
    }
    return undefined;
  }

  settle(item: Item, outcome: "ack" | NakOptions): void {
    if (item.state !== "open") return;
    this.#settleItem(item, outcome);
  }

  /** COMMITTED: the gateway's position has moved with the transaction. */
  settleCommitted(item: Item): void {
    item.chain.ackedHere = Math.max(item.chain.ackedHere, item.via === "turn" ? item.record.seq : 0);
    this.#settleItem(item, "ack", true);
  }

  #settleItem(item: Item, outcome: "ack" | NakOptions, committed = false): void {
    const { chain } = item;
    if (!chain.settle(item) || this.qos === 0) return;
    const held = this.#naks.get(key(chain, item.record.seq));
    if (outcome !== "ack") {
      const nak: HeldNak = held ?? {
        chain,
        seq: item.record.seq,
        options: outcome,
        attempt: 1,
        sent: "never",
        running: false,
      };
      Object.assign(nak, { options: outcome, attempt: item.attempt, sent: "never", running: false });
      this.#naks.set(key(chain, nak.seq), nak);
      this.#nakWaits = true;
      this.#saveNak(nak, true);
    } else if (held !== undefined) {
      this.#naks.delete(key(chain, held.seq));
      this.#saveNak(held, false);
    }
    if (outcome === "ack" && item.via === "redelivery" && !committed)
      this.#whenStored(() => this.#host.acks.only(item));
    this.#moved(chain, item.via === "turn" ? item.bytes : 0);
  }

  /** The gateway gave up on a record that was given back too often. */
  deadLettered(chain: Chain, seq: Seq): void {
    const nak = this.#naks.get(key(chain, seq));
    if (nak === undefined) return;
    this.#naks.delete(key(chain, seq));
    this.#saveNak(nak, false);
  }

  /** ERROR on a NAK: the position may have passed the record already, so it must be given back again later. */
  nakRefused(chain: Chain, seq: Seq, retryAfterMs = nakRetryMs): void {
    const nak = this.#naks.get(key(chain, seq));
    if (nak === undefined) return;
    nak.sent = "before";
    this.#host.clock.after(retryAfterMs, () => {
      if (nak.sent === "before") this.#sendNak(nak);
    });
  }

  /** Heads of a heartbeat: the last record of a burst may have been skipped with nothing after it to show the hole. */
  heads(heads: readonly ChainSeq[]): void {
    if (this.qos === 0) return;
    for (const { chain: id, seq } of heads) {
      const chain = this.chain(id);
      if (chain === undefined || seq <= chain.last) continue;
      const last = chain.last;
      this.#host.clock.after(headCheckMs, () => {
        const unchanged = chain.id === id && chain.last === last;
        if (unchanged && this.chains.every((each) => each.idle)) this.#askAgain([chain]);
      });
    }
  }

  /** Records passed by before there was anybody to take them: asks for them from the bound positions. */
  askAgainAll(): void {
    if (this.qos > 0) this.#askAgain(this.chains.filter((chain) => chain.id !== undefined));
  }

  forget(): void {
    for (const chain of this.chains) this.#host.persistence?.putPosition(this.filter, chain.lane, undefined);
    for (const nak of this.#naks.values()) this.#saveNak(nak, false);
  }

  #start(): StartAt {
    const known = this.chains.filter((chain) => chain.known);
    // Positions for some lanes only (the application's own) do not say where the others begin; `start` does.
    const incomplete = known.length === 0 || (known.length < this.chains.length && this.#options.start !== undefined);
    if (this.qos === 0 || incomplete) return startAt(this.#options.start ?? "new");
    // One position for all lanes: the lowest. What that repeats of the other lanes is seen, and skipped.
    const epoch = known[0]?.epoch ?? "";
    let seq = Math.min(...known.map((chain) => chain.processed));
    for (const nak of this.#naks.values()) seq = Math.min(seq, nak.seq - 1);
    return { kind: "position", seq, epoch };
  }

  #isFull(): boolean {
    let records = 0;
    let bytes = 0;
    for (const chain of this.chains) {
      records += chain.waitingRecords;
      bytes += chain.waitingBytes;
    }
    return records > this.#window.records || bytes > this.#window.bytes;
  }

  #redelivered(chain: Chain, frame: Deliver, attempt: number): void {
    for (const record of frame.records) {
      const nak = this.#naks.get(key(chain, record.seq));
      if (nak?.running === true) continue;
      const item = chain.item(record, attempt, "redelivery");
      // Processed before the ACK got through. At QoS 1 it may also be that we lost the memory of it: process it.
      if (nak === undefined && this.qos === 2) this.#host.acks.only(item);
      else this.#queueAgain(nak ?? this.#holdNak(chain, record, attempt), item);
    }
    this.#events.ready();
  }

  #holdNak(chain: Chain, record: DeliveredRecord, attempt: number): HeldNak {
    const nak: HeldNak = { chain, seq: record.seq, options: {}, attempt, sent: "here", running: false };
    this.#naks.set(key(chain, record.seq), nak);
    return nak;
  }

  /** A repeated interval holds records that were given back on an earlier connection: they come again right here. */
  #repeated(chain: Chain, frame: Deliver): void {
    if (this.#naks.size === 0) return;
    for (const record of frame.records) {
      if (record.seq > chain.last) break;
      const nak = this.#naks.get(key(chain, record.seq));
      if (nak !== undefined && !nak.running && nak.sent !== "here")
        this.#queueAgain(nak, chain.item(record, nak.attempt + 1, "repeat"));
    }
  }

  #queueAgain(nak: HeldNak, item: Item): void {
    nak.running = true;
    this.#again.push(item);
  }

  #forgetNaks(chain: Chain): void {
    this.#again = this.#again.filter((item) => item.chain !== chain);
    for (const [name, nak] of this.#naks) {
      if (nak.chain !== chain) continue;
      this.#naks.delete(name);
      this.#saveNak(nak, false);
    }
  }

  #askAgain(chains: readonly Chain[]): void {
    const holes: ChainSeq[] = [];
    for (const chain of chains) {
      if (chain.id === undefined) continue;
      chain.holeAsked = true;
      holes.push({ chain: chain.id, seq: chain.last });
    }
    if (holes.length > 0) this.#host.send({ type: "credit", filter: this.filter, ...this.#window, holes });
  }

  /** The processed position may have moved: store it where it counts, then give back and acknowledge. */
  #moved(chain: Chain, bytes: number): void {
    if (this.qos === 0) return;
    const every = Math.max(1, Math.floor(this.#window.records / 4));
    if (!this.#storing) {
      this.#sendNaks();
      return this.#host.acks.touch(chain, bytes, every);
    }
    if (this.#saving === "no") this.#save(every);
    else this.#saving = "andAgain";
  }

  #save(every: number): void {
    this.#saving = "yes";
    const moved = this.chains.filter(
      (chain) => chain.known && (chain.processed !== chain.stored || chain.ackable > chain.ackedHere),
    );
    const positions = moved.map((chain) => ({
      chain,
      generation: chain.generation,
      seq: chain.processed,
      grown: chain.processed - chain.stored,
    }));
    for (const { chain, seq } of positions) {
      if (seq !== chain.stored)
        this.#host.persistence?.putPosition(this.filter, chain.lane, { epoch: chain.epoch, seq });
    }
    this.#whenStored(() => {
      this.#sendNaks();
      for (const { chain, generation, seq, grown } of positions) {
        if (chain.generation !== generation) continue;
        chain.stored = seq;
        this.#host.acks.touch(chain, grown > 0 ? 1 : 0, Math.max(1, Math.floor(every / Math.max(1, grown))));
      }
      const again = this.#saving === "andAgain";
      this.#saving = "no";
      if (again) this.#save(every);
    });
  }

  #whenStored(run: () => void): void {
    if (this.#storing) this.#host.persistence?.writer.whenDurable(run);
    else run();
  }

  #saveNak({ chain, seq, attempt }: HeldNak, held: boolean): void {
    if (this.#storing) this.#host.persistence?.putNak(this.filter, { lane: chain.lane, seq, attempt }, held);
  }

  #sendNaks(): void {
    if (!this.#nakWaits) return;
    this.#nakWaits = false;
    for (const nak of this.#naks.values()) if (nak.sent === "never" && !nak.running) this.#sendNak(nak);
  }

  #sendNak(nak: HeldNak): void {
    if (nak.running || nak.chain.id === undefined) return; // Bound again, it is sent then.
    if (nak.seq > nak.chain.seenHere) return; // Not delivered on this connection yet: it comes again by itself.
    nak.sent = "here";
    const { delayMs, reason } = nak.options;
    this.#host.send({
      type: "nak",
      chain: nak.chain.id,
      seq: nak.seq,
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(reason === undefined ? {} : { reason }),
    });
  }
}

function key(chain: Chain, seq: Seq): string {
  return `${chain.lane}/${seq}`;
}
