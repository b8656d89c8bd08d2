/**
 * Records that a receiver NAKed: each is delivered again when it is due, with growing delay, until it is processed
 * or has been tried too often and goes to the dead-letter topic with its cause.
 *
 * Owns: one timer per session; a NAK is in the journal before it counts.
 * @module
 */
import type { Rejection } from "../../actors/session/decide.ts";
import type { PendingNak, SubscriptionState } from "../../actors/session/state.ts";
import type { Nak } from "../../protocol/frame.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { type Lane, lanes } from "../../protocol/lane.ts";
import type { Delivery } from "../delivery.ts";
import type { LogRecord, NewRecord } from "../log/event-log.ts";
import type { Timer } from "../ports.ts";
import { errorFrame, type SessionContext } from "./context.ts";

/** A redelivery under way: this try, when it is tried again if nobody settles it, and the cause if it was the last. */
type UnderWay = { readonly attempt: number; readonly retryAt: EpochMs; readonly cause: string };
type Letter = { readonly lane: Lane; readonly seq: Seq; readonly attempts: number; readonly cause: string };

export class Redelivery {
  readonly #context: SessionContext;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #underWay = new Map<string, Map<Seq, UnderWay>>();
  #timer: Timer | undefined;

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** The subscription is open (again): what waits is delivered when due. */
  resume(held: SubscriptionState, delivery: Delivery): void {
    this.#deliveries.set(held.filter, delivery);
    this.#underWay.set(held.filter, new Map());
    if (held.naks.size > 0) this.#schedule();
  }

  forget(filter: string): void {
    this.#deliveries.delete(filter);
    this.#underWay.delete(filter);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async nak(frame: Nak, delivery: Delivery, lane: Lane): Promise<void> {
    const { chain, seq } = frame;
    const held = this.#context.state.subscriptions.get(delivery.filter);
    if (held === undefined) return;
    if (delivery.qos === 0 || !delivery.wasSent(lane, seq)) {
      this.#context.peer?.send(
        errorFrame("badPosition", `NAK of ${seq}, which is not delivered for acknowledgement on chain ${chain}`, {
          chain,
          seq,
        }),
      );
      return;
    }
    const attempts = this.#underWay.get(delivery.filter)?.get(seq)?.attempt ?? held.naks.get(seq)?.attempts ?? 1;
    this.#underWay.get(delivery.filter)?.delete(seq);
    const reason = frame.reason ?? "nak";
    const letter = { lane, seq, attempts, cause: reason };
    const isLast = held.maxDeliver > 0 && attempts >= held.maxDeliver;
    const recorded = isLast
      ? await this.#deadLetter(delivery, letter)
      : await this.#wait(delivery.filter, letter, this.#delayMs(frame.delayMs, attempts));
    if (recorded === "tooManyNaks")
      this.#context.peer?.send(errorFrame("tooManyNaks", `NAK of ${seq}`, { chain, seq }));
  }

  /** Journalled, and delivered again after the delay. */
  async #wait(filter: string, letter: Letter, delayMs: number): Promise<"waits" | Rejection> {
    const { lane, seq, attempts, cause: reason } = letter;
    const at = this.#now();
    const recorded = await this.#context.record({ type: "Nak", at, filter, lane, seq, delayMs, reason, attempts });
    if (!recorded.ok) return recorded.rejection;
    this.#schedule();
    return "waits";
  }

  /** As asked, or growing with each try. */
  #delayMs(asked: number | undefined, attempts: number): number {
    const { nakDelayMs, nakDelayMsMax } = this.#context.limits;
    return Math.min(asked ?? nakDelayMs * 2 ** Math.min(attempts - 1, 20), nakDelayMsMax);
  }

  /** A redelivered record was processed. */
  settle(filter: string, seq: Seq): void {
    this.#underWay.get(filter)?.delete(seq);
    void this.#context.record({ type: "SettleNak", at: this.#now(), filter, seq });
  }

  /** The first record that waits for its acknowledgement was delivered too often. */
  async giveUpFirst(delivery: Delivery, attempts: number): Promise<void> {
    const after = Math.min(...lanes.map((lane) => delivery.acked(lane)));
    const page = await this.#context.services.ports.log.read({
      filter: delivery.filter,
      after,
      recordsMax: 64,
      bytesMax: 1_048_576,
    });
    // Another lane may hold an older one that has not been sent yet.
    const record = page.records.find(({ lane, seq }) => seq > delivery.acked(lane) && delivery.wasSent(lane, seq));
    if (record === undefined) return;
    const { lane, seq } = record;
    const outcome = await this.#deadLetter(delivery, { lane, seq, attempts, cause: "ackTimeout" });
    if (outcome !== "given up" && outcome !== "waits") return; // It is tried again after the next wait.
    delivery.ack(lane, seq);
    this.#context.progressed();
  }

  // --- time ---

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const [filter, nak] of this.#pending()) next = Math.min(next, this.#dueAt(filter, nak));
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#context.services.ports.clock.after(
      Math.max(0, next - this.#now()),
      () => void this.#deliverDue().catch((error: unknown) => this.readFailed(error)),
    );
  }

  /** The log cannot be read now: what waits is delivered when the client has come again. */
  readFailed(error: unknown): void {
    this.#context.peer?.end("logUnavailable", error instanceof Error ? error.message : "readFailed");
  }

  *#pending(): Iterable<[string, PendingNak]> {
    for (const filter of this.#deliveries.keys()) {
      for (const nak of this.#context.state.subscriptions.get(filter)?.naks.values() ?? []) yield [filter, nak];
    }
  }

  #dueAt(filter: string, nak: PendingNak): EpochMs {
    return this.#underWay.get(filter)?.get(nak.seq)?.retryAt ?? nak.dueAt;
  }

  async #deliverDue(): Promise<void> {
    const now = this.#now();
    const due = [...this.#pending()].filter(([filter, nak]) => this.#dueAt(filter, nak) <= now);
    for (const [filter, nak] of due) await this.#deliver(filter, nak);
    this.#schedule();
  }

  async #deliver(filter: string, nak: PendingNak): Promise<void> {
    const held = this.#context.state.subscriptions.get(filter);
    const underWay = this.#underWay.get(filter)?.get(nak.seq);
    const attempt = (underWay?.attempt ?? nak.attempts) + 1;
    const record = await this.#read(filter, nak);
    const delivery = this.#deliveries.get(filter);
    if (
      held === undefined ||
      delivery === undefined ||
      this.#context.state.subscriptions.get(filter)?.naks.has(nak.seq) !== true
    )
      return;
    const { lane, seq } = nak;
    const last = { lane, seq, attempts: attempt - 1 };
    if (record === undefined) await this.#giveUpUnread(delivery, last);
    else if (held.maxDeliver > 0 && attempt > held.maxDeliver)
      await this.#deadLetter(delivery, { ...last, cause: underWay?.cause ?? nak.reason });
    else {
      this.#underWay.get(filter)?.set(seq, { attempt, retryAt: this.#now() + held.ackWaitMs, cause: "ackTimeout" });
      delivery.redeliver(record, attempt);
    }
  }

  /** Undefined: the log holds no record of the chain at this seq, or not any more. */
  async #read(filter: string, { lane, seq }: Pick<Letter, "lane" | "seq">): Promise<LogRecord | undefined> {
    const page = await this.#context.services.ports.log.read({
      filter,
      after: seq - 1,
      until: seq,
      recordsMax: 1,
      bytesMax: 1,
    });
    return page.records.find((record) => record.seq === seq && record.lane === lane);
  }

  /** Retention took it, which is told with that cause; or there never was such a record on the chain. */
  async #giveUpUnread(delivery: Delivery, last: Omit<Letter, "cause">): Promise<"given up" | "waits" | Rejection> {
    const { lane, seq } = last;
    if (seq < this.#context.services.ports.log.info().firstSeq)
      return await this.#bury(delivery, { ...last, cause: "trimmed" }, undefined);
    this.settle(delivery.filter, seq);
    const chain = delivery.chain(lane);
    this.#context.peer?.send(errorFrame("badPosition", `Chain ${chain} has no record ${seq}`, { chain, seq }));
    return "given up";
  }

  // --- giving up ---

  async #deadLetter(delivery: Delivery, letter: Letter): Promise<"given up" | "waits" | Rejection> {
    const record = await this.#read(delivery.filter, letter);
    return record === undefined
      ? await this.#giveUpUnread(delivery, letter)
      : await this.#bury(delivery, letter, record);
  }

  /** `record` undefined: there is nothing left to put in a letter. */
  async #bury(
    delivery: Delivery,
    letter: Letter,
    record: LogRecord | undefined,
  ): Promise<"given up" | "waits" | Rejection> {
    const { lane, seq, attempts, cause } = letter;
    const { filter } = delivery;
    const records = record === undefined || record.topic.startsWith("$") ? [] : [this.#letterFor(record, letter)];
    const once = { producer: this.#context.id, key: `${this.#context.id}/dead/${filter}/${seq}` };
    const result = await this.#context.recordWith(
      { type: "DeadLetter", at: this.#now(), filter, lane, seq, attempts, cause },
      { records, once },
    );
    if (!result.ok) return "rejection" in result ? result.rejection : this.#tryAgain(filter, letter);
    this.#underWay.get(filter)?.delete(seq);
    // Given back again after it was given up: the step was done before, so nothing was recorded now.
    if (result.duplicate) await this.#context.record({ type: "SettleNak", at: this.#now(), filter, seq });
    const chain = delivery.chain(lane);
    const what =
      record === undefined
        ? errorFrame("deadLettered", `Retention removed record ${seq}`, { chain, seq, cause })
        : errorFrame("deadLettered", `Record ${seq} was delivered ${attempts} times (${cause})`, { chain, seq });
    this.#context.peer?.send(what);
    return "given up";
  }

  /** The log did not take the letter. Until it does, the record waits like one that is given back. */
  async #tryAgain(filter: string, letter: Letter): Promise<"waits" | Rejection> {
    const { seq, attempts: attempt, cause } = letter;
    const delayMs = this.#context.limits.nakDelayMs;
    this.#underWay.get(filter)?.set(seq, { attempt, retryAt: this.#now() + delayMs, cause });
    if (this.#context.state.subscriptions.get(filter)?.naks.has(seq) !== true)
      return await this.#wait(filter, letter, delayMs);
    this.#schedule();
    return "waits";
  }

  #letterFor(record: LogRecord, letter: Letter): NewRecord {
    return {
      topic: `$dead.${record.topic}`,
      id: `${this.#context.id}/dead/${record.seq}`,
      lane: record.lane,
      payload: record.payload,
      headers: {
        ...record.headers,
        "weir-cause": letter.cause,
        "weir-topic": record.topic,
        "weir-seq": String(record.seq),
        "weir-id": record.id,
        "weir-session": this.#context.id,
        "weir-attempts": String(letter.attempts),
      },
    };
  }

  #now(): EpochMs {
    return this.#context.services.ports.clock.now();
  }
}
