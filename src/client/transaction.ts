/**
 * Transactions: gathered here, sent as one burst (BEGIN, PUBLISH, ACK, COMMIT), and sent again whole with the same
 * number until the gateway has said what became of them.
 *
 * Owns: a transaction number is durable in the store before it is used, and never used for another transaction.
 * @module
 */

import { errorNumbers } from "../protocol/code-numbers.ts";
import { coreLimits as limits } from "../protocol/core-limits.ts";
import {
  type Ack,
  type ChainSeq,
  type Committed,
  type ErrorFrame,
  type Frame,
  type PublishRecord,
  recordBytes,
} from "../protocol/frame.ts";
import type { Transaction } from "./api.ts";
import type { Chain, Item } from "./chain.ts";
import type { CreditWindow } from "./credit.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";
import type { Intake } from "./intake.ts";
import type { PublishOptions } from "./options.ts";
import type { ClientClock } from "./ports.ts";
import type { ReceivedRecord } from "./record.ts";

export type TransactionResult = {
  /** 0 when it held acknowledgements only. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** A try before this one had committed it; its answer was lost. */
  readonly duplicate: boolean;
};
export type Acked = { readonly intake: Intake; readonly item: Item };
export type TransactionsHost = {
  readonly clock: ClientClock;
  readonly connected: boolean;
  readonly credit: CreditWindow;
  /** Calls back when the number is durable. */
  reserve(tx: number, run: () => void): void;
  send(frame: Frame): void;
};

/** What the application puts into one transaction, until its function returns. */
export class Gathering {
  readonly records: PublishRecord[] = [];
  readonly acked: Acked[] = [];
  readonly #make: GatheringHost;
  #open = true;

  constructor(make: GatheringHost) {
    this.#make = make;
  }

  async run(work: (transaction: Transaction) => unknown): Promise<void> {
    try {
      await work({
        publish: (topic, value, options = {}) => {
          this.#mustBeOpen();
          this.records.push(this.#make.record(topic, value, options));
        },
        ack: (record) => {
          this.#mustBeOpen();
          this.acked.push(this.#make.hold(record));
        },
      });
    } finally {
      this.#open = false;
    }
  }

  /** What it would have acknowledged is the subscription's again. */
  rollback(): void {
    for (const { item } of this.acked) if (item.state === "inTransaction") item.state = "open";
  }

  #mustBeOpen(): void {
    if (!this.#open) throw clientError("badArgument", "This transaction has ended: its function has returned");
  }
}
export type GatheringHost = {
  record(topic: string, value: unknown, options: PublishOptions): PublishRecord;
  hold(record: ReceivedRecord): Acked;
};

type Pending = {
  tx: number;
  readonly records: readonly PublishRecord[];
  readonly bytes: number;
  readonly acked: readonly Acked[];
  state: "reserving" | "waiting" | "sent";
  /** COMMIT left this process at least once. */
  everSent: boolean;
  tries: number;
  resolve(result: TransactionResult): void;
  reject(error: WeirError): void;
};

const retryMs = 1_000;
/** Refusals that may be worth another try, in a row. */
const triesMax = 10;
const nothing: TransactionResult = { firstSeq: 0, lastSeq: 0, duplicate: false };

export class Transactions {
  readonly #host: TransactionsHost;
  #next = 1;
  /** In the order in which they were committed. */
  #pending: Pending[] = [];

  constructor(host: TransactionsHost) {
    this.#host = host;
  }

  get size(): number {
    return this.#pending.length;
  }
  /** One that waits for credit goes before further publishes, or a steady publisher would starve it. */
  get needsCredit(): boolean {
    return this.#pending.some((each) => each.state === "waiting" && !this.#fits(each));
  }

  startFrom(next: number): void {
    this.#next = Math.max(this.#next, next);
  }

  async commit(records: readonly PublishRecord[], acked: readonly Acked[]): Promise<TransactionResult> {
    if (records.length === 0 && acked.length === 0) return nothing;
    let bytes = 0;
    for (const record of records) bytes += recordBytes(record);
    if (records.length > limits.transactionRecordsMax || bytes > limits.transactionBytesMax) {
      throw wireError({
        code: errorNumbers.transactionTooLarge,
        cause: "transactionTooLarge",
        message: `Transaction of ${records.length} records and ${bytes} bytes; the limits are ${limits.transactionRecordsMax} and ${limits.transactionBytesMax}`,
      });
    }
    // The same bound as on the gateway's side keeps what waits here bounded too.
    if (this.#pending.length >= limits.refusedPublishesMax)
      throw clientError("outboxFull", `${this.#pending.length} transactions wait unsettled`);
    return await new Promise<TransactionResult>((resolve, reject) => {
      const pending: Pending = {
        tx: 0,
        records,
        bytes,
        acked,
        state: "reserving",
        everSent: false,
        tries: 0,
        resolve,
        reject,
      };
      this.#pending.push(pending);
      this.#reserve(pending);
    });
  }

  /** Sends what can be sent now: called when credit, a connection or a chain's position has come. */
  pump(): void {
    if (!this.#host.connected) return;
    let open = this.#pending.filter((each) => each.state === "sent").length;
    for (const pending of [...this.#pending]) {
      if (open >= limits.transactionsOpenMax) return;
      if (pending.state !== "waiting" || !this.#fits(pending)) continue;
      const ack = this.#ackFrame(pending);
      if (ack === "notYet") continue;
      if (ack instanceof Error) this.#fail(pending, ack);
      else {
        this.#sendAll(pending, ack);
        open += 1;
      }
    }
  }

  committed(frame: Committed): void {
    const pending = this.#take(frame.tx);
    if (pending === undefined) return;
    this.#giveBack(pending);
    for (const { intake, item } of pending.acked) intake.settleCommitted(item);
    pending.resolve({ firstSeq: frame.firstSeq, lastSeq: frame.lastSeq, duplicate: frame.duplicate ?? false });
    this.pump();
  }

  failed(frame: ErrorFrame): void {
    const pending = this.#pending.find((each) => each.tx === frame.tx && each.state === "sent");
    if (pending === undefined) return; // Later frames of a burst that has failed already.
    this.#giveBack(pending);
    pending.tries += 1;
    const again = frame.retryable || frame.code === errorNumbers.unknownTransaction;
    if (!again || pending.tries >= triesMax) {
      this.#take(pending.tx);
      return this.#fail(pending, wireError(frame));
    }
    pending.state = "reserving"; // Not to be sent before its time.
    this.#host.clock.after(frame.retryAfterMs ?? retryMs, () => {
      if (pending.state === "reserving") pending.state = "waiting";
      this.pump();
    });
  }

  connectionLost(): void {
    for (const pending of this.#pending) if (pending.state === "sent") pending.state = "waiting";
  }

  /** Those that may have been committed in the lost session are rejected, or sent in the new one under a new number. */
  sessionLost(policy: "fail" | "resend"): void {
    for (const pending of [...this.#pending]) {
      if (pending.everSent && policy === "fail") {
        this.#take(pending.tx);
        this.#fail(
          pending,
          clientError("outcomeUnknown", `The session was lost after COMMIT of transaction ${pending.tx} had been sent`),
        );
      } else if (pending.everSent) this.#reserve(pending);
    }
  }

  rejectAll(reason: WeirError): void {
    const pending = this.#pending;
    this.#pending = [];
    for (const each of pending)
      this.#fail(
        each,
        each.everSent
          ? clientError("outcomeUnknown", `The client ended before transaction ${each.tx} was confirmed`)
          : reason,
      );
  }

  #reserve(pending: Pending): void {
    pending.tx = this.#next++;
    pending.everSent = false;
    pending.state = "reserving";
    const { tx } = pending;
    this.#host.reserve(tx, () => {
      if (pending.state !== "reserving" || pending.tx !== tx) return;
      pending.state = "waiting";
      this.pump();
    });
  }

  #fits({ records, bytes }: Pending): boolean {
    return this.#host.credit.fits(records.length, bytes);
  }

  #sendAll(pending: Pending, ack: Ack | undefined): void {
    const { tx, records } = pending;
    pending.state = "sent";
    pending.everSent = true;
    this.#host.credit.take(records.length, pending.bytes);
    this.#host.send({ type: "begin", tx });
    if (records.length > 0) this.#host.send({ type: "publish", tx, records });
    if (ack !== undefined) this.#host.send(ack);
    this.#host.send({ type: "commit", tx });
  }

  /** After a reconnect an ACK waits until its chain is bound and the gateway has delivered that far again. */
  #ackFrame({ tx, acked }: Pending): Ack | undefined | "notYet" | WeirError {
    if (acked.length === 0) return undefined;
    const only: ChainSeq[] = [];
    const byChain = new Map<Chain, Set<Item>>();
    for (const { item } of acked) {
      const { chain, record } = item;
      if (item.generation !== chain.generation)
        return clientError(
          "outcomeUnknown",
          `The log was made anew; record ${record.seq} on ${record.topic} is not there any more`,
        );
      if (chain.id === undefined || (item.via !== "redelivery" && chain.seenHere < record.seq)) return "notYet";
      if (item.via === "redelivery") only.push({ chain: chain.id, seq: record.seq });
      else if (item.via === "turn") byChain.set(chain, (byChain.get(chain) ?? new Set()).add(item));
    }
    const upTo: ChainSeq[] = [];
    for (const [chain, items] of byChain) {
      const seq = chain.positionWith(items);
      if (seq === undefined)
        return clientError(
          "ackOutOfOrder",
          `A record before seq ${Math.max(...[...items].map((item) => item.record.seq))} of the same chain is not settled`,
        );
      upTo.push({ chain: chain.id ?? 0, seq });
    }
    return { type: "ack", tx, ...(upTo.length > 0 ? { upTo } : {}), ...(only.length > 0 ? { only } : {}) };
  }

  #take(tx: number): Pending | undefined {
    const at = this.#pending.findIndex((each) => each.tx === tx);
    return at === -1 ? undefined : this.#pending.splice(at, 1)[0];
  }

  #giveBack(pending: Pending): void {
    if (pending.state === "sent") this.#host.credit.giveBack(pending.records.length, pending.bytes);
  }

  #fail(pending: Pending, error: WeirError): void {
    this.#pending = this.#pending.filter((each) => each !== pending);
    pending.reject(error);
  }
}
