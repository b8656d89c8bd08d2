/**
 * A session's subscriptions while it is attached: opens them, restores them after a resume, takes
 * acknowledgements and reports of holes, and delivers again what nobody acknowledged.
 * @module
 */
import type { FilterPositions } from "../../actors/session/events.ts";
import { furthest } from "../../actors/session/evolve.ts";
import type { LanePositions, SubscriptionState } from "../../actors/session/state.ts";
import { type ErrorName, errorCodes } from "../../protocol/error-code.ts";
import type {
  Ack,
  ChainSeq,
  Credit,
  ErrorFrame,
  Hello,
  Subscribe,
  Subscribed,
  Unsubscribe,
  Window,
} from "../../protocol/frame.ts";
import type { ChainId, EpochMs, LogEpoch, Seq } from "../../protocol/ids.ts";
import { type Lane, lanes } from "../../protocol/lane.ts";
import { lastTrue, planResume, type ResumeAnswer, resumeAfter } from "../../protocol/position.ts";
import { covers, filterProblem } from "../../protocol/topic.ts";
import { feedOfChain, laneOfChain } from "../chain-id.ts";
import { Delivery } from "../delivery.ts";
import { AckWatch } from "./ack-watch.ts";
import { mustCatchUp } from "./catch-up.ts";
import { errorFrame, type Peer, type SessionContext } from "./context.ts";
import type { Redelivery } from "./redelivery.ts";
import { bounded, type Start, startOf } from "./subscribe-options.ts";

type Open = { readonly delivery: Delivery; readonly watch: AckWatch };

export class Subscriptions {
  readonly #context: SessionContext;
  readonly #redelivery: Redelivery;
  readonly #open = new Map<string, Open>();
  readonly #byFeed = new Map<number, Delivery>();

  constructor(context: SessionContext, redelivery: Redelivery) {
    this.#context = context;
    this.#redelivery = redelivery;
  }

  get size(): number {
    return this.#open.size;
  }
  deliveries(): Delivery[] {
    return Array.from(this.#open.values(), ({ delivery }) => delivery);
  }

  // --- opening ---

  async subscribe(frame: Subscribe): Promise<void> {
    const problem = this.#problem(frame);
    if (problem !== undefined) return this.#refuse(problem);
    const { services, peer } = this.#context;
    if (frame.start?.kind === "position" && frame.start.epoch === services.ports.log.info().epoch)
      await mustCatchUp(services, frame.start.seq);
    const start = await startOf(frame.start ?? { kind: "new" }, services.ports.log, services.hub.position);
    const at = services.ports.clock.now();
    const options = bounded(frame, this.#context.limits);
    const recorded = await this.#context.record({
      type: "Subscribe",
      at,
      filter: frame.filter,
      positions: start.positions,
      lastOnlyUpTo: start.lastOnlyUpTo,
      ...options,
    });
    if (!recorded.ok) {
      // A session that could not record it is lost, and its connection was told.
      if (!(recorded.rejection in errorCodes)) return;
      return this.#refuse(errorFrame(recorded.rejection as ErrorName, `Filter "${frame.filter}"`, { ref: frame.ref }));
    }
    const held = this.#context.state.subscriptions.get(frame.filter);
    // Another connection that took the session over meanwhile has restored it already.
    if (peer !== undefined && peer === this.#context.peer && held !== undefined)
      this.#begin(peer, held, start, frame.ref);
  }

  #problem(frame: Subscribe): ErrorFrame | undefined {
    const { ref, filter } = frame;
    const problem = filterProblem(filter, this.#context.limits);
    if (problem !== undefined) return errorFrame("badFilter", problem, { ref });
    if (!this.allowed(filter))
      return errorFrame("subscribeForbidden", `Filter "${filter}" is not covered by the subscribe claim`, { ref });
    return undefined;
  }

  allowed(filter: string): boolean {
    return this.#context.peer?.identity.subscribe.some((claim) => covers(claim, filter)) ?? false;
  }

  #refuse(error: ErrorFrame): void {
    this.#context.peer?.send(error);
  }

  /** After a resume: every subscription that the journal holds goes on from the higher of both positions. */
  restore(peer: Peer, hello: Hello): void {
    const { log } = this.#context.services.ports;
    const info = log.info();
    const epoch = hello.epoch ?? info.epoch;
    for (const held of this.#context.state.subscriptions.values()) {
      if (!this.allowed(held.filter)) {
        void this.#context.record({
          type: "Unsubscribe",
          at: this.#now(),
          filter: held.filter,
          cause: "permissionChanged",
        });
        peer.send({ type: "unsubscribed", ref: 0, filter: held.filter, cause: "permissionChanged" });
        continue;
      }
      const told = lastTrue(epoch, info) === undefined ? undefined : positionsOf(hello, held.filter);
      const from = held.qos === 2 && told !== undefined ? furthest(held.positions, told) : held.positions;
      const seen = Math.max(...held.positions, ...(told ?? []));
      const start = this.#resumeAt(held, { epoch, from, seen });
      if (start.answer.kind === "trimmed") this.#noteTrimmed(held.filter, from, start.answer.first);
      const { kind } = start.answer;
      if (kind === "ahead" || kind === "epochChanged")
        void this.#context.record({
          type: "Reposition",
          at: this.#now(),
          filter: held.filter,
          positions: start.positions,
        });
      this.#begin(peer, this.#context.state.subscriptions.get(held.filter) ?? held, start, 0);
    }
  }

  /** `seen`: the furthest that the journal or the client knows of, in that epoch. */
  #resumeAt(
    held: SubscriptionState,
    { epoch, from, seen }: { readonly epoch: LogEpoch; readonly from: LanePositions; readonly seen: Seq },
  ): Start {
    const { ports, hub } = this.#context.services;
    const head = hub.position;
    if (held.qos === 0) return { positions: [head, head, head, head], lastOnlyUpTo: 0, answer: { kind: "upToDate" } };
    const info = ports.log.info();
    const { firstSeq } = info;
    const bounds = { ...info, lastSeq: Math.max(head, firstSeq - 1) };
    const lowest = Math.min(...from);
    // Has to be told, wherever other lanes are.
    const ahead = planResume({ epoch, seq: seen }, bounds);
    if (ahead.kind === "ahead") {
      const positions = from.map((seq) => Math.max(Math.min(seq, ahead.last), firstSeq - 1));
      return { positions: positions as unknown as LanePositions, lastOnlyUpTo: held.lastOnlyUpTo, answer: ahead };
    }
    const answer = planResume({ epoch, seq: lowest }, bounds);
    const low = answer.kind === "trimmed" ? lowest : resumeAfter(lowest, answer);
    const positions = from.map((seq) => Math.min(Math.max(seq, low), Math.max(head, low)));
    return { positions: positions as unknown as LanePositions, lastOnlyUpTo: held.lastOnlyUpTo, answer };
  }

  #begin(peer: Peer, held: SubscriptionState, start: Start, ref: number): void {
    const { services, limits } = this.#context;
    const { ports, hub } = services;
    const delivery = new Delivery({
      hub,
      log: ports.log,
      outlet: peer,
      bounds: limits,
      filter: held.filter,
      qos: held.qos,
      window: held.window,
      congestion: held.congestion,
      positions: start.positions,
      trimmedTo: start.answer.kind === "trimmed" ? start.answer.first - 1 : 0,
      lastOnlyUpTo: start.lastOnlyUpTo,
      delivered: (records) => services.delivered(records, 1),
      trimmed: () => this.#trimmed(peer, held, delivery),
      readFailed: (error) => peer.end("logUnavailable", error instanceof Error ? error.message : "readFailed"),
    });
    this.#open.set(held.filter, { delivery, watch: new AckWatch(held.ackWaitMs, limits) });
    this.#byFeed.set(delivery.feed.id, delivery);
    peer.send(subscribedFrame(delivery, held, { ref, resume: start.answer }));
    delivery.start();
    this.#redelivery.resume(held, delivery);
  }

  /** Retention passed a receiver that is behind: told as after a resume, and it goes on with what is held. */
  #trimmed(peer: Peer, held: SubscriptionState, delivery: Delivery): void {
    const first = this.#context.services.ports.log.info().firstSeq;
    if (held.qos > 0)
      this.#noteTrimmed(
        held.filter,
        lanes.map((lane) => delivery.acked(lane)),
        first,
      );
    delivery.passTrimmed(first - 1);
    const resume: ResumeAnswer = { kind: "trimmed", first };
    peer.send(subscribedFrame(delivery, held, { ref: 0, resume }));
    this.#context.progressed();
  }

  #noteTrimmed(filter: string, positions: readonly Seq[], first: Seq): void {
    const at = this.#now();
    void this.#context.record({
      type: "NoteTrimmed",
      ...{ at, filter, first, positions: positions as unknown as LanePositions },
    });
  }

  // --- ending ---

  async unsubscribe(frame: Unsubscribe): Promise<void> {
    const { filter, ref } = frame;
    if (!this.#open.has(filter)) return this.#refuse(errorFrame("notSubscribed", `Filter "${filter}"`, { ref }));
    this.#end(filter);
    const recorded = await this.#context.record({ type: "Unsubscribe", at: this.#now(), filter, cause: "asked" });
    if (recorded.ok) this.#context.peer?.send({ type: "unsubscribed", ref, filter });
  }

  /** The claims changed: what they no longer cover ends. */
  recheck(): void {
    for (const filter of [...this.#open.keys()]) {
      if (this.allowed(filter)) continue;
      this.#end(filter);
      void this.#context.record({ type: "Unsubscribe", at: this.#now(), filter, cause: "permissionChanged" });
      this.#context.peer?.send({ type: "unsubscribed", ref: 0, filter, cause: "permissionChanged" });
    }
  }

  #end(filter: string): void {
    const open = this.#open.get(filter);
    if (open === undefined) return;
    this.#open.delete(filter);
    this.#byFeed.delete(open.delivery.feed.id);
    this.#redelivery.forget(filter);
    open.delivery.end();
  }

  /** The connection is gone: positions are taken first (`positions()`). */
  endAll(): void {
    for (const filter of [...this.#open.keys()]) this.#end(filter);
  }

  // --- what the receiver says ---

  /** The delivery of a chain id of this connection. */
  find(chain: ChainId): { readonly delivery: Delivery; readonly lane: Lane } | undefined {
    const delivery = this.#byFeed?.get(feedOfChain(chain));
    return delivery === undefined ? undefined : { delivery, lane: laneOfChain(chain) };
  }

  /** As `find`, after telling the client when there is none. */
  findOrRefuse(chain: ChainId): { readonly delivery: Delivery; readonly lane: Lane } | undefined {
    const found = this.find(chain);
    if (found === undefined) this.#refuse(errorFrame("unknownChain", `Chain ${chain}`, { chain }));
    return found;
  }

  acknowledge(frame: Pick<Ack, "upTo" | "only">): void {
    for (const { chain, seq } of frame.upTo ?? []) this.#acknowledgeUpTo({ chain, seq });
    for (const { chain, seq } of frame.only ?? []) {
      const found = this.findOrRefuse(chain);
      if (found !== undefined) this.#redelivery.settle(found.delivery.filter, seq);
    }
    this.#context.progressed();
  }

  #acknowledgeUpTo({ chain, seq }: ChainSeq): void {
    const found = this.findOrRefuse(chain);
    if (found === undefined || found.delivery.qos === 0) return;
    if (found.delivery.ack(found.lane, seq)) return;
    this.#refuse(
      errorFrame("badPosition", `Acknowledged ${seq}, which was not delivered on chain ${chain}`, { chain, seq }),
    );
  }

  credit(frame: Credit): void {
    const delivery = frame.filter === undefined ? undefined : this.#open.get(frame.filter)?.delivery;
    if (delivery === undefined) return this.#refuse(errorFrame("notSubscribed", `Filter "${frame.filter ?? ""}"`));
    if (frame.holes === undefined) return delivery.setWindow(this.#windowOf(frame));
    const positions = new Map<Lane, Seq>();
    for (const { chain, seq } of frame.holes) {
      if (feedOfChain(chain) === delivery.feed.id) positions.set(laneOfChain(chain), seq);
    }
    if (positions.size > 0) delivery.rewind(positions);
  }

  #windowOf(window: Window): Window {
    const { deliverWindowRecordsMax, deliverWindowBytesMax } = this.#context.limits;
    return {
      records: Math.min(window.records, deliverWindowRecordsMax),
      bytes: Math.min(window.bytes, deliverWindowBytesMax),
    };
  }

  // --- time ---

  /** Delivers again what was not acknowledged in time. Answers how many are behind. */
  sweep(now: EpochMs): number {
    const { random } = this.#context.services.ports;
    const chance = (): number => random.next();
    let behind = 0;
    for (const { delivery, watch } of this.#open.values()) {
      if (delivery.mode === "behind") behind++;
      if (!watch.due(delivery, now, chance)) continue;
      const maxDeliver = this.#context.state.subscriptions.get(delivery.filter)?.maxDeliver ?? 0;
      if (maxDeliver > 0 && watch.tries >= maxDeliver) this.#giveUpFirst(delivery, watch.tries);
      else delivery.rewindToAcknowledged();
    }
    return behind;
  }

  #giveUpFirst(delivery: Delivery, tries: number): void {
    this.#redelivery.giveUpFirst(delivery, tries).catch((error: unknown) => this.#redelivery.readFailed(error));
  }

  /** All leave the fan-out, and go on by themselves as far as their socket lets them. */
  fallBehind(): void {
    for (const { delivery } of this.#open.values()) delivery.overrun();
  }

  drained(): void {
    for (const { delivery } of this.#open.values()) delivery.drained();
  }

  positions(): FilterPositions[] {
    const positions: FilterPositions[] = [];
    for (const { delivery } of this.#open.values()) {
      if (delivery.qos > 0) positions.push({ filter: delivery.filter, positions: delivery.positions() });
    }
    return positions;
  }

  unacknowledged(): Window {
    let records = 0;
    let bytes = 0;
    for (const { delivery } of this.#open.values()) {
      if (delivery.qos === 0) continue;
      const inFlight = delivery.unacknowledged();
      records += inFlight.records;
      bytes += inFlight.bytes;
    }
    return { records, bytes };
  }

  heads(): ChainSeq[] {
    return this.deliveries().flatMap((delivery) => (delivery.qos > 0 ? delivery.heads() : []));
  }

  #now(): EpochMs {
    return this.#context.services.ports.clock.now();
  }
}

type Opening = { readonly ref: number; readonly resume: ResumeAnswer };

function subscribedFrame(delivery: Delivery, held: SubscriptionState, opening: Opening): Subscribed {
  return {
    type: "subscribed",
    ref: opening.ref,
    filter: held.filter,
    qos: held.qos,
    chains: lanes.map((lane) => ({ chain: delivery.chain(lane), lane, last: delivery.told[lane] })),
    window: held.window,
    resume: opening.resume,
  };
}

function positionsOf(hello: Hello, filter: string): LanePositions {
  const positions: [Seq, Seq, Seq, Seq] = [0, 0, 0, 0];
  for (const held of hello.positions ?? []) if (held.filter === filter) positions[held.lane] = held.seq;
  return positions;
}
