/**
 * Judges what passes on the wire, as it passes: credit and windows are kept, a session has one owner, nothing
 * is acknowledged before it is processed, and production peers never find each other wrong.
 *
 * Sees frames and nothing of what is behind them. What a client may send is judged where it leaves the client,
 * with what had reached the client by then.
 * @module
 */
import { closeName } from "../../src/protocol/close-code.ts";
import { errorName } from "../../src/protocol/error-code.ts";
import { type Frame, type PublishRecord, recordBytes, type Window } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import type { Violation } from "./evidence.ts";
import type { Place, Wire } from "./network.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;
type Sent = { readonly bytes: number; readonly sentMs: number };
type InFlight = { readonly filter: string; readonly records: Map<string, Sent>; window: Window };
type Owner = { owner: number; readonly wire: number; readonly gateway: string; readonly sinceMs: number };

/** What one client knows of its connection. */
type View = {
  session: string | undefined;
  /** When its gateway said WELCOME. */
  welcomedMs: number;
  /** What it asked to go on with. */
  resumes: FrameOf<"hello"> | undefined;
  credit: Window;
  readonly publishes: Map<number, number>;
  readonly inTransactions: Map<number, number[]>;
  next: number;
  readonly chains: Map<
    number,
    { readonly filter: string; readonly lane: number; readonly flight: InFlight; readonly qos: number; last: number }
  >;
  readonly flights: Map<string, InFlight>;
  readonly acksInTransactions: Map<number, FrameOf<"ack">[]>;
  /** Numbers of the UNSUBSCRIBEs that it sent. */
  readonly unsubscribes: Set<number>;
  /** Transactions that it was told are rolled back: what it had sent of them by then finds none. */
  readonly rolledBack: Set<number>;
  /** When a record was handed to the wire first, by chain and seq. */
  readonly sentMs: Map<string, number>;
};

/** Which records of a client were delivered and are not processed yet, told by the workload. */
export type Unprocessed = { seqs(client: string, filter: string, lane: number): ReadonlySet<number> };

/** Jitter may make a retransmission this share of the ack wait earlier. */
const earliestRetry = 0.89;

/** Virtual time, and when the gateways' clock last jumped: their waits may end early then. */
export type Times = {
  nowMs(): number;
  jumpedMs(): number;
  /** Nothing keeps what one gateway tells another from getting there soon. */
  readonly calm: boolean;
  /** Several gateways: one may take another for dead. */
  readonly shared: boolean;
};
/** For so long a gateway may serve a session that another one has. */
const supersededMs = 3_000;

/** A production client that is told one of these has a bug, or the gateway has. */
const peersDisagree = new Set<string | undefined>([
  "frameTooLarge",
  "frameTooDeep",
  "malformedFrame",
  "unknownFrame",
  "badFrameShape",
  "unexpectedFrame",
  "notSubscribed",
  "unknownChain",
  "badPosition",
  "publishNumbering",
  "unknownTransaction",
  "internal",
]);

export class WireChecker {
  readonly violations: Violation[] = [];
  readonly #views = new Map<number, View>();
  readonly #owners = new Map<string, Owner>();
  readonly #welcomedAs = new Map<string, number>();
  readonly #ackWaitMs = new Map<string, number>();
  /** When a gateway heard of a client on its newest connection. */
  readonly #heard = new Map<string, { readonly wire: number; readonly atMs: number }>();
  readonly #unprocessed: Unprocessed;
  readonly #times: Times;

  constructor(unprocessed: Unprocessed, times: Times) {
    this.#unprocessed = unprocessed;
    this.#times = times;
  }

  frame(wire: Wire, place: Place, frame: Frame): void {
    if (place === "gatewayOut") this.#fromGateway(wire, frame);
    else if (place === "clientOut") this.#fromClient(wire, frame);
    else if (place === "clientIn") this.#toClient(wire, frame);
    else if (wire.id >= (this.#heard.get(wire.client.name)?.wire ?? 0) && frame.type !== "hello") this.#hear(wire);
  }

  /** What a gateway reads after others took it for dead keeps no session that it served before: it may be over. */
  #hear(wire: Wire): void {
    const { gateway, client } = wire;
    if (this.#times.shared && this.#view(wire).welcomedMs < (gateway?.presumedDeadMs ?? 0)) return;
    this.#heard.set(client.name, { wire: wire.id, atMs: this.#times.nowMs() });
  }

  ended(wire: Wire, side: "client" | "gateway", code: number, reason: string): void {
    if (side === "client") this.#views.delete(wire.id);
    // A handshake may run out of time on a bad network; that the client comes back is judged by what it receives.
    if ((code > 4500 || closeName(code) === "internal") && closeName(code) !== "handshakeTimeout") {
      this.#violation("peers agree", `${side} end of ${named(wire)} was closed with ${code} (${reason})`);
    }
  }

  /** A session is served by one connection: the one that was welcomed last. */
  #fromGateway(wire: Wire, frame: Frame): void {
    const gateway = wire.gateway?.name ?? "";
    if (frame.type === "welcome") {
      const before = this.#owners.get(frame.session);
      Object.assign(this.#view(wire), { session: frame.session, welcomedMs: this.#times.nowMs() });
      // What a gateway that stood still says late, on a connection that is gone, is not for anybody.
      if (before !== undefined && frame.owner < before.owner && before.gateway !== gateway) return;
      if (before !== undefined && frame.owner <= before.owner) {
        this.#violation(
          "one owner",
          `${frame.session} was welcomed as owner ${frame.owner} after owner ${before.owner}`,
        );
      }
      const sinceMs = this.#times.nowMs();
      this.#owners.set(frame.session, { owner: frame.owner, wire: wire.id, gateway, sinceMs });
    }
    if (frame.type === "deliver") {
      const { sentMs } = this.#view(wire);
      for (const { seq } of frame.records)
        if (!sentMs.has(`${frame.chain}:${seq}`)) sentMs.set(`${frame.chain}:${seq}`, this.#times.nowMs());
    }
    if (frame.type !== "deliver" && frame.type !== "published" && frame.type !== "committed") return;
    const session = this.#view(wire).session;
    const owner = session === undefined ? undefined : this.#owners.get(session);
    if (owner === undefined || owner.wire === wire.id) return;
    // Another gateway may not know yet that it lost the session; its own connections it knows.
    const servedMs = this.#times.nowMs() - owner.sinceMs;
    if (owner.gateway !== gateway && this.#times.calm && servedMs > supersededMs)
      this.#violation(
        "superseded in time",
        `${gateway} serves ${session} ${servedMs} ms after ${owner.gateway} took it`,
      );
    if (owner.gateway === gateway) {
      this.#violation(
        "one owner",
        `${gateway} sent ${frame.type} of ${session} on ${named(wire)} after welcoming it on wire ${owner.wire}`,
      );
    }
  }

  #fromClient(wire: Wire, frame: Frame): void {
    const view = this.#view(wire);
    switch (frame.type) {
      case "hello":
        view.resumes = frame;
        break;
      case "publish":
        this.#published(wire, view, frame);
        break;
      case "rollback":
        for (const n of view.inTransactions.get(frame.tx) ?? []) view.publishes.delete(n);
        view.inTransactions.delete(frame.tx);
        break;
      case "ack":
        if (frame.tx === undefined) this.#acknowledged(wire, view, frame);
        else view.acksInTransactions.set(frame.tx, [...(view.acksInTransactions.get(frame.tx) ?? []), frame]);
        break;
      case "subscribe":
        this.#ackWaitMs.set(`${wire.client.name} ${frame.filter}`, frame.ackWaitMs ?? limits.ackWaitMs);
        break;
      case "unsubscribe":
        view.unsubscribes.add(frame.ref);
        break;
      case "credit": {
        const flight = frame.filter === undefined ? undefined : view.flights.get(frame.filter);
        if (flight !== undefined && frame.records > 0) flight.window = larger(flight.window, frame);
      }
    }
  }

  #toClient(wire: Wire, frame: Frame): void {
    const view = this.#view(wire);
    switch (frame.type) {
      case "welcome":
        this.#welcomed(wire, frame);
        view.session = frame.session;
        view.credit = frame.credit;
        view.next = frame.publishedUpTo + 1;
        break;
      case "published":
        for (const n of view.publishes.keys()) if (n > 0 && n <= frame.upTo) view.publishes.delete(n);
        break;
      case "committed":
        this.#committed(view, frame.tx);
        break;
      case "credit":
        if (frame.filter === undefined) view.credit = larger(view.credit, frame);
        break;
      case "subscribed":
        this.#subscribed(view, frame);
        break;
      case "deliver":
        this.#delivered(wire, view, frame);
        break;
      case "error":
        this.#refused(wire, view, frame);
    }
  }

  /** Each of a client's connections is a newer owner than the one before. */
  #welcomed(wire: Wire, { session, owner, outcome }: FrameOf<"welcome">): void {
    const asked = this.#view(wire).resumes;
    const heardMs = this.#heard.get(wire.client.name)?.atMs ?? 0;
    const keptUntilMs = heardMs + (asked?.resumeWindowMs ?? 0);
    if (asked?.session !== undefined && outcome === "opened" && heardMs > this.#times.jumpedMs())
      if (this.#times.nowMs() < keptUntilMs)
        this.#violation("session kept", `${named(wire)} lost ${asked.session}, which was heard of at ${heardMs}`);
    const before = this.#welcomedAs.get(session) ?? 0;
    if (owner <= before)
      this.#violation("one owner", `${named(wire)} was welcomed as owner ${owner} of ${session} after ${before}`);
    this.#welcomedAs.set(session, owner);
  }

  #published(wire: Wire, view: View, { first, tx, records }: FrameOf<"publish">): void {
    if (tx === undefined && first !== undefined) view.next = first;
    for (const record of records) {
      const n =
        tx === undefined
          ? view.next++
          : -1 - view.publishes.size - view.inTransactions.size * 1e6 - (view.inTransactions.get(tx)?.length ?? 0);
      view.publishes.set(n, recordBytes(record as PublishRecord));
      if (tx !== undefined) view.inTransactions.set(tx, [...(view.inTransactions.get(tx) ?? []), n]);
    }
    const bytes = sum(view.publishes.values());
    if (view.publishes.size > view.credit.records || bytes > view.credit.bytes) {
      this.#violation(
        "publish credit",
        `${named(wire)} has ${view.publishes.size} records, ${bytes} bytes out; its credit is ${text(view.credit)}`,
      );
    }
  }

  #subscribed(view: View, frame: FrameOf<"subscribed">): void {
    const flight: InFlight = { filter: frame.filter, records: new Map(), window: frame.window };
    view.flights.set(frame.filter, flight);
    for (const { chain, lane, last } of frame.chains)
      view.chains.set(chain, { filter: frame.filter, lane, flight, qos: frame.qos, last });
  }

  #delivered(wire: Wire, view: View, frame: FrameOf<"deliver">): void {
    const { chain, attempt, records } = frame;
    const to = view.chains.get(chain);
    if (to === undefined)
      return this.#violation("peers agree", `${named(wire)} got a delivery of chain ${chain}, which it was never told`);
    // Redeliveries are bounded by the number of records that a session may have given back, not by the window.
    if (to.qos === 0 || attempt !== undefined) return;
    // A receiver ignores what comes behind a hole, and asks for it again.
    if (frame.prev > to.last) return;
    to.last = Math.max(to.last, frame.upTo ?? records.at(-1)?.seq ?? 0);
    const { flight } = to;
    for (const record of records) {
      const key = `${chain}:${record.seq}`;
      flight.records.set(key, { bytes: recordBytes(record), sentMs: view.sentMs.get(key) ?? 0 });
    }
    // What was not acknowledged in time counts as lost, and will be sent again: it is out of the window.
    const ackWaitMs = this.#ackWaitMs.get(`${wire.client.name} ${flight.filter}`) ?? limits.ackWaitMs;
    const lostBeforeMs = Math.max(this.#times.nowMs() - ackWaitMs * earliestRetry, this.#times.jumpedMs());
    const out = [...flight.records.values()].filter(({ sentMs }) => sentMs > lostBeforeMs);
    const bytes = sum(out.map((sent) => sent.bytes));
    if (out.length > 1 && (out.length > flight.window.records || bytes > flight.window.bytes)) {
      this.#violation(
        "delivery window",
        `${named(wire)} ${flight.filter} has ${out.length} records, ${bytes} bytes out; its window is ${text(flight.window)}`,
      );
    }
  }

  #acknowledged(wire: Wire, view: View, frame: FrameOf<"ack">): void {
    for (const { chain, seq } of frame.upTo ?? []) {
      const to = view.chains.get(chain);
      if (to === undefined) continue;
      for (const waiting of this.#unprocessed.seqs(wire.client.name, to.filter, to.lane)) {
        if (waiting > seq) continue;
        this.#violation(
          "processed before acknowledged",
          `${named(wire)} acknowledged ${to.filter} lane ${to.lane} up to ${seq}; ${waiting} is not processed`,
        );
      }
    }
    giveBack(view, frame);
  }

  #committed(view: View, tx: number): void {
    for (const n of view.inTransactions.get(tx) ?? []) view.publishes.delete(n);
    view.inTransactions.delete(tx);
    for (const ack of view.acksInTransactions.get(tx) ?? []) giveBack(view, ack);
    view.acksInTransactions.delete(tx);
  }

  #refused(wire: Wire, view: View, frame: FrameOf<"error">): void {
    const late = frame.tx !== undefined && view.rolledBack.has(frame.tx);
    if (frame.tx !== undefined) {
      if (errorName(frame.code) === "transactionExpired") view.rolledBack.add(frame.tx);
      for (const n of view.inTransactions.get(frame.tx) ?? []) view.publishes.delete(n);
      view.inTransactions.delete(frame.tx);
    }
    // What was refused from `n` on is sent again, and counts again then.
    if (frame.n !== undefined) for (const n of view.publishes.keys()) if (n >= frame.n) view.publishes.delete(n);
    // A NAK may cross with the dead-lettering of its record; an UNSUBSCRIBE is sent again when its answer was lost.
    const crossed =
      frame.message.startsWith("NAK of ") || (frame.ref !== undefined && view.unsubscribes.has(frame.ref));
    if (!crossed && !late && peersDisagree.has(errorName(frame.code))) {
      this.#violation("peers agree", `${named(wire)} was told ${frame.cause}: ${frame.message}`);
    }
  }

  #view(wire: Wire): View {
    let view = this.#views.get(wire.id);
    if (view === undefined) {
      view = {
        session: undefined,
        welcomedMs: 0,
        resumes: undefined,
        credit: { records: 0, bytes: 0 },
        publishes: new Map(),
        inTransactions: new Map(),
        next: 1,
        chains: new Map(),
        flights: new Map(),
        acksInTransactions: new Map(),
        unsubscribes: new Set(),
        rolledBack: new Set(),
        sentMs: new Map(),
      };
      this.#views.set(wire.id, view);
    }
    return view;
  }

  #violation(checker: string, message: string): void {
    this.violations.push({ checker, message });
  }
}

function giveBack(view: View, frame: FrameOf<"ack">): void {
  for (const { chain, seq } of frame.upTo ?? []) {
    const records = view.chains.get(chain)?.flight.records ?? new Map<string, Sent>();
    for (const key of records.keys()) {
      const [of, at] = key.split(":").map(Number) as [number, number];
      if (of === chain && at <= seq) records.delete(key);
    }
  }
  for (const { chain, seq } of frame.only ?? []) view.chains.get(chain)?.flight.records.delete(`${chain}:${seq}`);
}

function larger(a: Window, b: Window): Window {
  return { records: Math.max(a.records, b.records), bytes: Math.max(a.bytes, b.bytes) };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function text(window: Window): string {
  return `${window.records} records, ${window.bytes} bytes`;
}

function named(wire: Wire): string {
  return `wire ${wire.id} of ${wire.client.name}`;
}
