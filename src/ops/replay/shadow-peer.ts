/**
 * A client of the shadow world: does again what the recorded one did, when it did it, as far as what it is sent now lets
 * it. It acknowledges what was acknowledged and gives back what was given back; a record that comes once more than it
 * was given back, it processes.
 * @module
 */
import { msgpackCodec } from "../../protocol/codec-msgpack.ts";
import type { Deliver, DeliveredRecord, Frame, Subscribe, Subscribed, Welcome } from "../../protocol/frame.ts";
import type { ChainId, EpochMs, Seq } from "../../protocol/ids.ts";
import { type Lane, lanes } from "../../protocol/lane.ts";
import { limits } from "../../protocol/limits.ts";
import type { Link, MemoryClientEvents } from "../../runtime/transport/memory.ts";
import type { SeqMap } from "./seq-map.ts";
import type { Of, Returned } from "./shadow-script.ts";

export type PeerWorld = {
  now(): EpochMs;
  at(time: EpochMs, run: () => void): void;
  connect(events: MemoryClientEvents): Link;
  readonly seqs: SeqMap;
};
export type PeerIdentity = { readonly session: string; readonly resumeKey: string };
export type OpenHow = {
  readonly token: string;
  /** Absent: the gateway's own. */
  readonly resumeWindowMs?: number;
  readonly asks?: PeerIdentity;
};

type Chain = { readonly filter: string; readonly lane: Lane; told: Seq; acked: Seq };

export class ShadowPeer {
  /** Undefined until WELCOME. */
  identity: PeerIdentity | undefined;
  readonly #world: PeerWorld;
  readonly #returns: ReadonlyMap<string, readonly Returned[]>;
  /** Next of the returns of a record that is to be played. */
  readonly #played = new Map<string, number>();
  #link: Link | undefined;
  #welcomed = false;
  #silent = false;
  /** What is to be done once it is welcome. */
  #waiting: (() => void)[] = [];
  readonly #held = new Set<string>();
  readonly #chains = new Map<ChainId, Chain>();
  /** Acknowledged in the recording by now, by filter, in recorded seqs. */
  readonly #goals = new Map<string, readonly Seq[]>();
  /** Recorded seq of each number that it published. */
  readonly #publishes = new Map<number, Seq>();
  #published = 0;
  readonly #transactions = new Map<number, readonly Seq[]>();
  #refs = 0;

  constructor(world: PeerWorld, returns: ReadonlyMap<string, readonly Returned[]>) {
    this.#world = world;
    this.#returns = returns;
  }

  // --- connections ---

  open({ token, resumeWindowMs, asks }: OpenHow): void {
    this.#connect({
      type: "hello",
      token,
      ...(resumeWindowMs === undefined ? {} : { resumeWindowMs }),
      ...(asks === undefined ? {} : asks),
    });
  }

  attach(token: string): void {
    if (this.identity !== undefined) this.#connect({ type: "hello", token, ...this.identity });
  }

  lose(how: "reset" | "close" | "silent" | "stall"): void {
    const link = this.#link;
    if (link === undefined) return;
    if (how === "stall") return link.stall(true);
    if (how === "silent") {
      this.#silent = true;
      return link.halfOpen();
    }
    this.#link = undefined;
    this.#welcomed = false;
    if (how === "reset") link.reset();
    else link.socket.close(1000, "");
  }

  #connect(hello: Frame): void {
    this.#welcomed = false;
    this.#silent = false;
    this.#waiting = [];
    this.#chains.clear();
    const link: Link = this.#world.connect({
      open: () => link.socket.send(msgpackCodec.encode(hello)),
      message: (data) => this.#receive(link, data),
      close: () => {
        if (this.#link !== link) return;
        this.#link = undefined;
        this.#welcomed = false;
      },
    });
    this.#link = link;
  }

  #send(frame: Frame): void {
    if (!this.#silent) this.#link?.socket.send(msgpackCodec.encode(frame));
  }

  #whenWelcome(run: () => void): void {
    if (this.#welcomed) run();
    else if (this.#link !== undefined) this.#waiting.push(run);
  }

  // --- what it does ---

  subscribe(event: Of<"Subscribed">, own: Pick<Subscribe, "window" | "ackWaitMs" | "maxDeliver">): void {
    const { filter, qos, positions, lastOnlyUpTo, congestion } = event;
    this.#whenWelcome(() => {
      if (this.#held.has(filter)) return; // Its session went on where the recorded one was lost.
      this.#held.add(filter);
      const seq = this.#world.seqs.toNow(Math.min(...positions));
      this.#send({
        ...{ type: "subscribe", ref: ++this.#refs, filter, qos, congestion },
        start: lastOnlyUpTo > 0 ? { kind: "last" } : { kind: "position", seq, epoch: shadowEpoch },
        ...own,
      });
    });
  }

  unsubscribe(filter: string): void {
    this.#whenWelcome(() => {
      this.#held.delete(filter);
      this.#send({ type: "unsubscribe", ref: ++this.#refs, filter });
    });
  }

  publish({ topic, payload, lane, headers, seq }: DeliveredRecord): void {
    this.#whenWelcome(() => {
      this.#publishes.set(++this.#published, seq);
      const record = headers === undefined ? { topic, payload, lane } : { topic, payload, lane, headers };
      this.#send({ type: "publish", records: [record] });
    });
  }

  /** One that is refused for the same cause, as near as that can be done again. */
  publishRefused({ cause }: Of<"PublishRefused">): void {
    const payload = new Uint8Array(cause === "payloadTooLarge" ? limits.payloadBytesMax + 1 : 0);
    const headers = cause === "headersTooLarge" ? { headers: { h: "x".repeat(limits.headersBytesMax) } } : {};
    const topics: Readonly<Record<string, string>> = { badTopic: "a..b", publishForbidden: forbiddenTopic };
    const topic = topics[cause] ?? (payload.byteLength > 0 || "headers" in headers ? "refused" : "$refused");
    this.#whenWelcome(() => {
      this.#published++;
      this.#send({ type: "publish", records: [{ topic, payload, ...headers }] });
    });
  }

  transact({ tx, filters }: Of<"TransactionCommitted">, records: readonly DeliveredRecord[]): void {
    this.#whenWelcome(() => {
      this.#send({ type: "begin", tx });
      const published = records.map(({ topic, payload, lane, headers }) =>
        headers === undefined ? { topic, payload, lane } : { topic, payload, lane, headers },
      );
      if (published.length > 0) this.#send({ type: "publish", tx, records: published });
      const upTo = filters.flatMap(({ filter, positions }) => this.#reached(filter, positions));
      if (upTo.length > 0) this.#send({ type: "ack", tx, upTo });
      this.#send({ type: "commit", tx });
      this.#transactions.set(
        tx,
        records.map(({ seq }) => seq),
      );
    });
  }

  /** Where what it published so was recorded: `<n>` or `tx/<tx>/<i>`, the end of the record's id. */
  recordedSeq(end: string): Seq | undefined {
    const [first, tx, i] = end.split("/");
    return first === "tx" ? this.#transactions.get(Number(tx))?.[Number(i)] : this.#publishes.get(Number(first));
  }

  acknowledge(filter: string, positions: readonly Seq[]): void {
    const goal = this.#goals.get(filter) ?? [0, 0, 0, 0];
    this.#goals.set(
      filter,
      lanes.map((lane) => Math.max(goal[lane] as Seq, positions[lane] as Seq)),
    );
    this.#acknowledgeReached();
  }

  #acknowledgeReached(): void {
    if (!this.#welcomed) return;
    const upTo = [...this.#goals].flatMap(([filter, positions]) => this.#reached(filter, positions));
    if (upTo.length > 0) this.#send({ type: "ack", upTo });
  }

  /** What of these positions has been delivered now, and is not acknowledged yet. */
  #reached(filter: string, positions: readonly Seq[]): { readonly chain: ChainId; readonly seq: Seq }[] {
    const reached: { chain: ChainId; seq: Seq }[] = [];
    for (const [id, chain] of this.#chains) {
      if (chain.filter !== filter) continue;
      const goal = this.#world.seqs.toNow(positions[chain.lane] as Seq);
      const seq = Math.min(goal, chain.told, this.#beforeReturn(chain));
      if (seq <= chain.acked) continue;
      chain.acked = seq;
      reached.push({ chain: id, seq });
    }
    return reached;
  }

  /** A record that is still to be given back is not acknowledged before. */
  #beforeReturn({ filter, lane }: Chain): Seq {
    let before = Number.POSITIVE_INFINITY;
    for (const [key, returns] of this.#returns) {
      const [first] = returns;
      if (first === undefined || first.filter !== filter || first.lane !== lane || (this.#played.get(key) ?? 0) > 0)
        continue;
      const now = this.#world.seqs.toNow(first.seq);
      if (this.#world.seqs.toRecorded(now) === first.seq) before = Math.min(before, now - 1);
    }
    return before;
  }

  // --- what it is sent ---

  #receive(link: Link, data: Uint8Array | string): void {
    if (link !== this.#link || this.#silent) return;
    const decoded = msgpackCodec.decode(data, limits);
    if (!decoded.ok) throw new Error(`The gateway sent what cannot be decoded: ${decoded.message}`);
    const { frame } = decoded;
    switch (frame.type) {
      case "welcome":
        return this.#welcome(frame);
      case "ping":
        return this.#send({ type: "pong", id: frame.id });
      case "subscribed":
        return this.#subscribed(frame);
      case "deliver":
        return this.#deliver(frame);
    }
  }

  #welcome({ session, resumeKey, publishedUpTo, outcome }: Welcome): void {
    if (outcome === "opened") this.#held.clear();
    this.identity = { session, resumeKey };
    this.#published = publishedUpTo;
    this.#welcomed = true;
    for (const run of this.#waiting.splice(0)) run();
  }

  #subscribed({ filter, chains }: Subscribed): void {
    this.#held.add(filter);
    for (const { chain, lane, last } of chains) this.#chains.set(chain, { filter, lane, told: last, acked: last });
    this.#acknowledgeReached();
  }

  #deliver({ chain: id, prev, upTo, records, attempt }: Deliver): void {
    const chain = this.#chains.get(id);
    if (chain === undefined) return;
    if (attempt === undefined) {
      const last = upTo ?? records.at(-1)?.seq ?? prev;
      for (const { seq } of records) if (seq > chain.told) this.#giveBack(id, { seq, attempt: 1 });
      if (prev <= chain.told) chain.told = Math.max(chain.told, last);
      return this.#acknowledgeReached();
    }
    for (const { seq } of records) this.#giveBack(id, { seq, attempt });
  }

  /** Again as it was given back at this try; processed when it was not given back that often. */
  #giveBack(id: ChainId, { seq, attempt }: { readonly seq: Seq; readonly attempt: number }): void {
    const chain = this.#chains.get(id) as Chain;
    const key = `${chain.filter}/${this.#world.seqs.toRecorded(seq)}`;
    const returns = this.#returns.get(key) ?? [];
    const index = returns.findIndex(({ attempts }) => attempts >= attempt);
    const next = returns[index];
    if (next === undefined) {
      if (attempt > 1) this.#send({ type: "ack", only: [{ chain: id, seq }] });
      return;
    }
    if (next.attempts > attempt) return; // It left that try unanswered.
    const link = this.#link;
    this.#world.at(Math.max(next.at, this.#world.now()), () => {
      if (this.#link !== link) return;
      this.#played.set(key, index + 1);
      const { delayMs, reason } = next;
      this.#send({ type: "nak", chain: id, seq, reason, ...(delayMs === undefined ? {} : { delayMs }) });
      this.#acknowledgeReached();
    });
  }
}

/** Of the shadow world's log. */
export const shadowEpoch = "shadow";
/** No identity of the shadow world may publish there. */
export const forbiddenTopic = "weir-shadow-forbidden";
