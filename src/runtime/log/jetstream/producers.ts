/**
 * The highest number of each producer that is in the log: known for those that this node writes for, found again for
 * those that come from elsewhere.
 *
 * A checkpoint of each producer is kept in the journals' stream: a number that is in the log for sure, and the seq
 * up to which that was looked at. It is written before a producer's first append, while it goes on, and once it has
 * stopped; so what a dead node has left unsaid is found by reading a bounded part of the log.
 *
 * Owns: a mark is never lower than what was acknowledged, and never higher than what is stored.
 * @module
 */
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import type { Clock, Timer } from "../../ports.ts";
import { type Fields, header } from "./headers.ts";
import type { Newest } from "./newest.ts";
import { type Message, noPayload, type Publisher, refusal } from "./publisher.ts";
import type { Scan } from "./scan.ts";
import type { Names, Subjects } from "./subjects.ts";

/** Longer than anything that was sent may still be on its way. */
const unknownMs = 120_000;

type Checkpoint = {
  readonly mark: number;
  readonly seq: Seq;
  /** How often it was forgotten. */
  readonly life: number;
  /** Nothing was under way when it was written. */
  readonly rests: boolean;
};

export type Producer = {
  readonly name: string;
  readonly life: number;
  /** Undefined: it never appended. */
  mark: number | undefined;
  /** Log seq up to which `mark` is everything. */
  seq: Seq;
  /** Numbers above the mark that are stored although one before them is not: NATS refused that one alone. */
  readonly ahead: Map<number, Seq>;
  /** Numbers that were sent and are not known to be stored: each of them is, if at all, behind that seq. */
  readonly underWay: Map<number, Seq>;
};

type Held = Producer & {
  /** Seq of the message that holds the checkpoint; 0: none. */
  revision: number;
  rests: boolean;
  /** The checkpoint is this process's own: nobody else has written for the producer since. */
  mine: boolean;
  /** Of `mark`, as the checkpoint says it. */
  saved: number;
  saving: Promise<boolean> | undefined;
  /** Appends under way. */
  busy: number;
  busySince: EpochMs;
  restsFrom: EpochMs;
  /** From then on numbers may be stored that this node does not know of: an answer was lost, or another node wrote. */
  doubtSince: EpochMs | undefined;
  /** Since then message ids tell of such a number, for as long as the server knows them. */
  lookedAt: EpochMs;
  looking: Promise<void> | undefined;
};

export type ProducersOptions = {
  readonly producersMax: number;
  readonly checkpointMs: number;
  /** For so long the server knows a message id. */
  readonly windowMs: number;
};
export const producersDefaults = { producersMax: 100_000, checkpointMs: 5_000 } as const;

export type ProducersParts = {
  readonly newest: Newest;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly scan: Scan;
  /** The newest record that this node knows of. */
  readonly lastSeq: () => Seq;
  /** Unique in all processes and for all time. */
  readonly op: () => string;
};

export class Producers {
  readonly #parts: ProducersParts;
  readonly #options: ProducersOptions;
  readonly #held = new Map<string, Held>();
  readonly #loading = new Map<string, Promise<Held>>();
  #timer: Timer | undefined;
  #closed = false;

  constructor(parts: ProducersParts, options: ProducersOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#tick();
  }

  async get(name: string): Promise<Producer> {
    const held = await this.#find(name);
    const isOld = this.#parts.clock.now() - held.lookedAt > this.#options.windowMs / 2;
    if (held.doubtSince !== undefined && isOld) await this.#look(held);
    return held;
  }

  /** As `get`, when another node may have written for it meanwhile. */
  async fresh(name: string): Promise<Producer> {
    // What began before may have looked before the other node wrote.
    await this.#loading.get(name)?.catch(() => undefined);
    await this.#held.get(name)?.looking?.catch(() => undefined);
    const held = this.#held.get(name);
    if (held === undefined) return this.#find(name);
    const { newest, names, subjects } = this.#parts;
    const checkpoint = await newest.of(names.journals, subjects.producer(name));
    while (held.saving !== undefined) await held.saving;
    if ((checkpoint?.seq ?? 0) > held.revision) this.drop(name);
    else if (held.doubtSince !== undefined) await this.#look(held);
    return this.#find(name);
  }

  /** Before an append: from now on the checkpoint says that there may be more than it knows. */
  async begin(producer: Producer): Promise<boolean> {
    const held = producer as Held;
    if (held.busy++ === 0) held.busySince = this.#parts.clock.now();
    if (!held.rests && held.mine) return true;
    return this.#save(held, false);
  }

  /** Is sent from now on, and may overtake what was sent before it and is refused for now. */
  sent(producer: Producer, number: number): void {
    if (!producer.underWay.has(number)) producer.underWay.set(number, this.#parts.lastSeq());
  }

  /** An append of it is stored. */
  moved(producer: Producer, mark: number, seq: Seq): void {
    const held = producer as Held;
    held.mark = Math.max(held.mark ?? 0, mark);
    held.seq = Math.max(held.seq, seq);
  }

  /** The append that began is over. `unknown`: nobody knows whether it will still be stored. */
  ended(producer: Producer, outcome: "known" | "unknown"): void {
    const held = producer as Held;
    held.busy--;
    const now = this.#parts.clock.now();
    held.restsFrom = now + this.#options.checkpointMs;
    if (outcome === "known") return;
    if (held.doubtSince === undefined) held.lookedAt = held.busySince;
    held.doubtSince = now;
  }

  async forget(name: string): Promise<void> {
    const held = await this.#find(name);
    this.#held.delete(name);
    if (held.revision === 0) return;
    // The checkpoint stays without a mark: the next life must not use the message ids of this one.
    const fresh = { mark: undefined, seq: 0, life: held.life + 1, saving: undefined, looking: undefined };
    const next: Held = { ...held, ...fresh, doubtSince: undefined, ahead: new Map(), underWay: new Map() };
    if (!(await this.#save(next, true))) throw new Error(`Producer ${name} could not be forgotten`);
    this.#held.set(name, next);
  }

  /** Somebody else writes for this producer now: what is known of it here is old. */
  drop(name: string): void {
    this.#held.delete(name);
  }

  /** What rests is written down as resting, so that nobody has to read the log for it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await Promise.all(
      [...this.#held.values()].map((held) =>
        held.mine && !held.rests ? this.#save(held, held.doubtSince === undefined) : undefined,
      ),
    );
  }

  /** What the log holds of it that is not known here. */
  #look(held: Held): Promise<void> {
    held.looking ??= this.#lookNow(held).finally(() => {
      held.looking = undefined;
    });
    return held.looking;
  }

  async #lookNow(held: Held): Promise<void> {
    const at = this.#parts.clock.now();
    const { name, life, mark = 0 } = held;
    const found = await this.#parts.scan.find({ name, life, mark, after: scannedTo(held) });
    if ((found.mark ?? 0) > (held.mark ?? 0)) held.mark = found.mark;
    for (const [number, seq] of found.ahead) if (number > (held.mark ?? 0)) held.ahead.set(number, seq);
    for (const number of held.ahead.keys()) if (number <= (held.mark ?? 0)) held.ahead.delete(number);
    held.seq = Math.max(held.seq, found.upTo);
    held.lookedAt = at;
    for (const [number, after] of held.underWay)
      if (number <= (held.mark ?? 0) || held.ahead.has(number)) held.underWay.delete(number);
      else held.underWay.set(number, Math.max(after, found.upTo));
    if (held.doubtSince === undefined || at - held.doubtSince <= unknownMs) return;
    held.doubtSince = undefined;
    if (held.busy === 0) held.underWay.clear();
  }

  async #find(name: string): Promise<Held> {
    const held = this.#held.get(name);
    if (held !== undefined) return held;
    let loading = this.#loading.get(name);
    if (loading === undefined) {
      loading = this.#load(name).finally(() => this.#loading.delete(name));
      this.#loading.set(name, loading);
    }
    return loading;
  }

  async #load(name: string): Promise<Held> {
    const { newest, names, subjects, scan } = this.#parts;
    const message = await newest.of(names.journals, subjects.producer(name));
    const found = message === undefined ? undefined : readCheckpoint(message.headers?.get(header.entries) ?? "");
    const { mark = 0, seq = 0, life = 0, rests = true } = found ?? {};
    const now = this.#parts.clock.now();
    const seen = found === undefined || rests ? undefined : await scan.find({ name, life, mark, after: seq });
    const held: Held = {
      name,
      life,
      mark:
        found === undefined || (mark === 0 && seen?.mark === undefined) ? undefined : Math.max(mark, seen?.mark ?? 0),
      seq: Math.max(seq, seen?.upTo ?? 0),
      revision: message?.seq ?? 0,
      rests,
      mine: false,
      saved: mark,
      saving: undefined,
      ahead: seen?.ahead ?? new Map(),
      underWay: new Map(),
      busy: 0,
      busySince: now,
      restsFrom: 0,
      // What the node that wrote for it has sent may still be on its way.
      doubtSince: rests ? undefined : now,
      lookedAt: now,
      looking: undefined,
    };
    this.#makeRoom();
    this.#held.set(name, held);
    return held;
  }

  /** The longest unused goes; one that this node writes for stays. */
  #makeRoom(): void {
    if (this.#held.size < this.#options.producersMax) return;
    for (const [name, held] of this.#held) {
      if ((held.mine && !held.rests) || held.busy > 0 || held.saving !== undefined) continue;
      this.#held.delete(name);
      return;
    }
  }

  /** False: somebody else wrote it, or it could not be written. */
  async #save(held: Held, rests: boolean): Promise<boolean> {
    while (held.saving !== undefined) await held.saving;
    if (held.mine && rests === held.rests && held.saved === (held.mark ?? 0) && held.life === this.#lifeOf(held))
      return true;
    // Refused, and no answer to whose the one there is: not written, and the next one finds out.
    held.saving = this.#write(held, rests).catch(() => false);
    const done = await held.saving;
    held.saving = undefined;
    return done;
  }

  #lifeOf({ name }: Held): number {
    return this.#held.get(name)?.life ?? -1;
  }

  async #write(held: Held, rests: boolean): Promise<boolean> {
    const { publisher, subjects } = this.#parts;
    const mark = held.mark ?? 0;
    if (mark === 0 && held.ahead.size + held.underWay.size === 0) held.seq = Math.max(held.seq, this.#parts.lastSeq());
    const seq = scannedTo(held);
    // An append that begins while this is under way says again that there may be more.
    if (rests) held.rests = true;
    const text = `${mark} ${seq} ${held.life} ${rests ? 1 : 0} ${this.#parts.op()}`;
    const fields: Fields = { [header.expectedLast]: held.revision, [header.rollup]: "sub", [header.entries]: text };
    const message: Message = { subject: subjects.producer(held.name), fields, payload: noPayload };
    const result = await publisher.publish([message]);
    if (result.ok) {
      held.revision = result.seq;
      held.rests = rests;
      held.saved = mark;
      held.mine = true;
      return true;
    }
    if (result.code !== refusal.wrongLastSeq) return false;
    const last = await this.#parts.newest.of(this.#parts.names.journals, message.subject);
    // One of ours that was sent twice, because its answer was lost.
    if (last?.headers?.get(header.entries) === text) {
      Object.assign(held, { revision: last.seq, rests, mine: true, saved: mark });
      return true;
    }
    this.drop(held.name);
    return false;
  }

  #tick(): void {
    if (this.#closed) return;
    this.#timer = this.#parts.clock.after(this.#options.checkpointMs, () => {
      const now = this.#parts.clock.now();
      for (const held of this.#held.values()) {
        if (!held.mine || held.rests || held.saving !== undefined) continue;
        const isDone = held.busy === 0 && held.restsFrom < now;
        if (isDone && held.doubtSince !== undefined && now - held.doubtSince > unknownMs) this.#lookSoon(held);
        void this.#save(held, isDone && held.doubtSince === undefined);
      }
      this.#tick();
    });
  }

  #lookSoon(held: Held): void {
    // If NATS is away, the next tick tries again.
    this.#look(held).catch(() => undefined);
  }
}

/** Up to there every number of it that is stored is known to the mark alone. */
function scannedTo({ seq, ahead, underWay }: Held): Seq {
  return Math.min(seq, ...[...ahead.values()].map((place) => place - 1), ...underWay.values());
}

function readCheckpoint(text: string): Checkpoint | undefined {
  const [mark, seq, life, rests] = text.split(" ").map(Number);
  if (mark === undefined || seq === undefined || life === undefined) return undefined;
  return { mark, seq, life, rests: rests === 1 };
}
