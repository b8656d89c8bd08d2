/**
 * The event log on NATS JetStream: the port's parts put together, and what this node knows of the stream's ends.
 *
 * Owns: `info()` never says less than what was acknowledged or followed here.
 * @module
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { EpochMs, Seq } from "../../../protocol/ids.ts";
import type { Clock, Logger, Timer } from "../../ports.ts";
import type {
  AppendRequest,
  AppendResult,
  DurabilityTier,
  EventLog,
  Follow,
  LogFailure,
  LogInfo,
  LogRecord,
  OnRecords,
  OnTrimmed,
  Retention,
} from "../event-log.ts";
import type { Api } from "./api.ts";
import { Appends } from "./appends.ts";
import { JetStreamBlobs } from "./blobs.ts";
import { everything, Follower } from "./follower.ts";
import { JetStreamJournals } from "./journals.ts";
import { JetStreamKeyValue } from "./key-value.ts";
import { Newest } from "./newest.ts";
import type { Ordering } from "./numbered.ts";
import { Producers, producersDefaults } from "./producers.ts";
import { findStream, type StreamInfo } from "./provision.ts";
import { Publisher, type PublisherOptions } from "./publisher.ts";
import { Reads } from "./reads.ts";
import { toRecord } from "./records.ts";
import { Scan } from "./scan.ts";
import { Steps } from "./steps.ts";
import { type Names, Subjects } from "./subjects.ts";
import { type Epochs, epochNow, Tail } from "./tail.ts";
import { trimRecords } from "./trim.ts";

export type JetStreamParts = {
  readonly nc: NatsConnection;
  readonly api: Api;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly names: Names;
  /** Unique for this process. */
  readonly writer: string;
  readonly epochs: Epochs;
  readonly tier: DurabilityTier;
  readonly atomic: boolean;
  readonly ordering: Ordering;
  readonly publisher: PublisherOptions;
  /** For so long the server knows the message ids of records. */
  readonly windowMs: number;
  /** Called once, when it is found that the log lost its end: it answers nothing any more. */
  readonly onLost: (why: string) => void;
  /** Since when nobody answers, if that is so. */
  readonly awaySince: () => EpochMs | undefined;
};

/** Other nodes and the stream's own limits move its ends too. */
const refreshMs = 10_000;

export class JetStreamLog implements EventLog {
  readonly journals: JetStreamJournals;
  readonly keyValue: JetStreamKeyValue;
  readonly blobs: JetStreamBlobs;
  /** About a millisecond of a request, where a read of everything gives a record in 5 µs. */
  readonly readOverhead = 200;
  readonly #parts: JetStreamParts;
  readonly #subjects: Subjects;
  readonly #publisher: Publisher;
  readonly #producers: Producers;
  readonly #appends: Appends;
  readonly #reads: Reads;
  readonly #followers = new Set<Follower>();
  #info: { firstSeq: Seq; lastSeq: Seq; records: number; bytes: number } = {
    firstSeq: 1,
    lastSeq: 0,
    records: 0,
    bytes: 0,
  };
  readonly #tail: Tail;
  #timer: Timer | undefined;
  #lost: LogFailure | undefined;
  #ops = 0;
  #closed = false;

  constructor(parts: JetStreamParts) {
    this.#parts = parts;
    const { nc, api, clock, names, atomic, ordering, writer } = parts;
    const subjects = new Subjects(names);
    const publisher = new Publisher(nc, clock, parts.publisher);
    const op = () => `${writer}.${(++this.#ops).toString(36)}`;
    const replicated = ordering !== "pipeline";
    const newest = new Newest({ api, clock, replicated });
    const common = { api, newest, publisher, clock, names, subjects, op };
    const lastSeq = () => this.#info.lastSeq;
    const scan = new Scan(common);
    const steps = new Steps({ ...common, atomic });
    this.#subjects = subjects;
    this.#publisher = publisher;
    this.#producers = new Producers({ ...common, scan, lastSeq }, { ...producersDefaults, windowMs: parts.windowMs });
    this.journals = new JetStreamJournals({ ...common, steps });
    this.#appends = new Appends({
      ...common,
      producers: this.#producers,
      journals: this.journals,
      steps,
      ordering,
      stored: (last, count, bytes) => this.#stored(last, count, bytes),
    });
    this.#reads = new Reads({
      ...common,
      firstSeq: () => this.#info.firstSeq,
      trimmed: (firstSeq) => {
        this.#info.firstSeq = Math.max(this.#info.firstSeq, firstSeq);
        this.#info.lastSeq = Math.max(this.#info.lastSeq, firstSeq - 1);
      },
      lastSeq,
      replicated,
    });
    this.keyValue = new JetStreamKeyValue(common);
    this.blobs = new JetStreamBlobs(nc, names);
    this.#tail = new Tail({
      ...{ ...common, keyValue: this.keyValue, epochs: parts.epochs, lastSeq },
      seqAtTime: (time) => this.#reads.seqAtTime(time),
      lost: (why) => this.#loseEnd(why),
    });
    void this.#watchConnection();
  }

  /** For what goes over NATS beside the log. */
  get connection(): { readonly nc: NatsConnection; readonly name: string } {
    return { nc: this.#parts.nc, name: this.#parts.names.prefix };
  }

  /** The stream's ends as they are now. */
  async refresh(): Promise<void> {
    const { api, names } = this.#parts;
    const [bounds, stream] = await Promise.all([this.#reads.bounds(), findStream(api, names.records)]);
    const isEmpty = bounds.records === 0;
    if (!isEmpty) this.#tail.saw(bounds.lastSeq, bounds.lastTime);
    const lastSeq = Math.max(bounds.lastSeq, this.#info.lastSeq, isEmpty ? (stream?.state.last_seq ?? 0) : 0);
    this.#info = {
      firstSeq: isEmpty ? lastSeq + 1 : bounds.firstSeq,
      lastSeq,
      records: bounds.records,
      bytes: isEmpty ? 0 : bytesOf(stream),
    };
  }

  /** Refreshes now and then, for as long as the log is open. */
  keepFresh(): void {
    this.#timer = this.#parts.clock.after(refreshMs, () => {
      this.#tail
        .check()
        .then(() => this.refresh())
        .catch((error: unknown) => this.#parts.logger.log("warn", "log not reached", { error: String(error) }))
        .finally(() => {
          if (!this.#closed) this.keepFresh();
        });
    });
  }

  info(): LogInfo {
    const { epochs, tier, atomic } = this.#parts;
    const awaySince = this.#parts.awaySince();
    const { earlier } = epochs;
    const known = { epoch: epochNow(epochs), earlier, tier, transactions: atomic, shared: true, ...this.#info };
    return awaySince === undefined ? known : { ...known, awaySince };
  }

  async end(): Promise<Seq> {
    const { api, names } = this.#parts;
    return (await api.last(names.records, this.#subjects.allTopics))?.seq ?? 0;
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.#lost === undefined ? this.#appends.append(request) : Promise.resolve(this.#lost);
  }
  read(request: Parameters<EventLog["read"]>[0]): ReturnType<EventLog["read"]> {
    return this.#reads.read(request);
  }

  follow(after: Seq, onRecords: OnRecords, onTrimmed: OnTrimmed = () => undefined): Follow {
    const { api, clock, logger, names } = this.#parts;
    const subjects = this.#subjects;
    const follower = new Follower(api, clock, {
      stream: names.records,
      // Also what is no record: a number that does not come is something that is gone.
      filters: [everything],
      after,
      certain: () => this.#tail.certain(),
      onMessages: (messages) => {
        const records = messages
          .filter(({ subject }) => subjects.isTopic(subject))
          .map((one) => toRecord(subjects, one));
        if (records.length === 0) return;
        this.#followed(records);
        onRecords(records);
      },
      onHole: async (last, before) => {
        const held = await this.#reads.heldBetween(last, before);
        if (held === "trimmed") {
          const { firstSeq } = this.#info;
          logger.log("warn", "retention took records that this node had not seen", { after: last, firstSeq });
          onTrimmed(firstSeq);
        }
        return held !== "some";
      },
      onTrouble: (problem) => logger.log("warn", "follows the log anew", { stream: names.records, problem }),
    });
    this.#followers.add(follower);
    return {
      stop: () => {
        follower.stop();
        this.#followers.delete(follower);
      },
    };
  }

  lastPerTopic(filter: string, after: Seq, max: number): Promise<readonly LogRecord[]> {
    return this.#reads.lastPerTopic(filter, after, max);
  }
  seqAtTime(time: number): Promise<Seq> {
    return this.#reads.seqAtTime(time);
  }
  async producerMark(producer: string): Promise<number | undefined> {
    return (await this.#producers.fresh(producer)).mark;
  }
  forgetProducer(producer: string): Promise<void> {
    return this.#appends.forget(producer);
  }

  async trim(retention: Retention): Promise<number> {
    const { api, clock, names } = this.#parts;
    const parts = { api, clock, names, subjects: this.#subjects, reads: this.#reads };
    const removed = await trimRecords(parts, retention, this.#info);
    if (removed > 0) await this.refresh();
    return removed;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#tail.stop();
    await this.#appends.close();
    for (const follower of this.#followers) follower.stop();
    await this.#producers.close();
    this.keyValue.close();
    await this.#parts.api.settled();
    this.#publisher.close();
    this.#parts.api.close();
    await this.#parts.nc.close();
  }

  #stored(last: Seq, count: number, bytes: number): void {
    this.#info.lastSeq = Math.max(this.#info.lastSeq, last);
    this.#info.records += count;
    this.#info.bytes += bytes;
  }

  #followed(records: readonly LogRecord[]): void {
    const last = records[records.length - 1];
    if (last === undefined) return;
    this.#tail.saw(last.seq, last.time);
    if (last.seq > this.#info.lastSeq) this.#info.lastSeq = last.seq;
  }

  #loseEnd(why: string): void {
    this.#parts.logger.log("error", "the log lost its end", { stream: this.#parts.names.records, why });
    this.#lost = { ok: false, code: "unavailable", message: why, retryable: true };
    for (const follower of this.#followers) follower.stop();
    this.#parts.onLost(why);
  }

  async #watchConnection(): Promise<void> {
    for await (const status of this.#parts.nc.status()) {
      if (status.type === "disconnect") {
        this.#publisher.disconnected();
        this.#tail.doubt();
        this.#parts.logger.log("warn", "NATS is away", { server: this.#parts.nc.getServer() });
      }
      if (status.type !== "reconnect") continue;
      this.#parts.logger.log("info", "NATS is back", { server: this.#parts.nc.getServer() });
      this.#publisher.reconnected();
      this.#parts.api.reconnected();
      for (const follower of this.#followers) follower.reconnected();
      this.keyValue.reconnected();
      // While NATS is away again, the next refresh looks.
      this.#tail.check().catch(() => undefined);
    }
  }
}

function bytesOf(stream: StreamInfo | undefined): number {
  return stream?.state.bytes ?? 0;
}
