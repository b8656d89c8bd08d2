/**
 * The log of a world with several gateways: streams on the simulated NATS, and the production adapter in each gateway.
 * @module
 */
import { matches } from "../../../src/protocol/topic.ts";
import { Api } from "../../../src/runtime/log/jetstream/api.ts";
import { unpackEntries } from "../../../src/runtime/log/jetstream/entries.ts";
import { HeaderBlock } from "../../../src/runtime/log/jetstream/header-block.ts";
import { header, readRecordHeaders } from "../../../src/runtime/log/jetstream/headers.ts";
import { JetStreamLog } from "../../../src/runtime/log/jetstream/log.ts";
import type { Ordering } from "../../../src/runtime/log/jetstream/numbered.ts";
import { publisherDefaults } from "../../../src/runtime/log/jetstream/publisher.ts";
import { Reach } from "../../../src/runtime/log/jetstream/reach.ts";
import { namesOf, Subjects } from "../../../src/runtime/log/jetstream/subjects.ts";
import type { Logger } from "../../../src/runtime/ports.ts";
import { portsClock, type SimClock, type SimProcess } from "../clock.ts";
import { keyOf, type StoredRecord, type Violation } from "../evidence.ts";
import { type JournalledEntry, lifecycleFilter, type ToldRecord } from "../lifecycle.ts";
import type { Chance } from "../random.ts";
import type { NatsMeddling } from "./connection.ts";
import { headerBlock } from "./message.ts";
import { purge, SimNats } from "./server.ts";
import type { SimStream } from "./stream.ts";

const names = namesOf("weir");
const subjects = new Subjects(names);
const windowMsDefault = 120_000;
const ownWindowMs = 2_000;
/** Retention takes nothing that is younger. */
const keptMs = 8_000;

export type NatsStorageOptions = {
  readonly skewMs: () => number;
  readonly logger: (process: SimProcess) => Logger;
  readonly meddling: NatsMeddling;
  /** Whoever published it knows that it is stored. */
  readonly isSettled: (key: string) => boolean;
  /** False: servers that do not know atomic batches yet. */
  readonly batches: boolean;
  /** Absent: as the adapter chooses it. */
  readonly ordering?: Ordering;
  readonly windowMs?: number;
};

export class NatsStorage {
  readonly nats: SimNats;
  readonly #clock: SimClock;
  readonly #chance: Chance;
  readonly #options: NatsStorageOptions;
  readonly #records: SimStream;
  readonly #journals: SimStream;
  readonly #contents: StoredRecord[] = [];
  readonly #told: ToldRecord[] = [];
  #contentsUpTo = 0;
  readonly #ids = new Set<string>();
  readonly #numbers = new Map<string, number>();
  readonly #disordered: Violation[] = [];

  constructor(clock: SimClock, chance: Chance, options: NatsStorageOptions) {
    this.#clock = clock;
    this.#chance = chance;
    this.#options = options;
    const { windowMs = windowMsDefault } = options;
    const replicated = chance.hit(0.6);
    this.nats = new SimNats({ clock, chance: chance.fork("nats"), replicated, meddling: options.meddling }, [
      { name: names.records, subjects: [subjects.allTopics, subjects.allSteps], windowMs, keyValue: false },
      { name: names.journals, subjects: subjects.allOwn, windowMs: ownWindowMs, keyValue: false },
      { name: names.keyValue, subjects: [subjects.allKeys], windowMs: ownWindowMs, keyValue: true },
    ]);
    [this.#records, this.#journals] = this.nats.streams as [SimStream, SimStream, ...SimStream[]];
  }

  async open(process: SimProcess): Promise<JetStreamLog> {
    if (!this.nats.open) throw new Error("NATS is away");
    const { replicated } = this.nats;
    const { batches } = this.#options;
    const clock = portsClock(this.#clock, process, this.#options.skewMs);
    const nc = this.nats.connect(process).client;
    const api = new Api(nc, clock);
    const reach = new Reach(api, clock, names.records);
    const log = new JetStreamLog({
      ...{ nc, clock, names, api, logger: this.#options.logger(process) },
      awaySince: () => reach.awaySince,
      writer: this.#chance.fork(process.name).token(9),
      epochs: { stream: "sim", earlier: [] },
      onLost: (why) => this.#options.logger(process).log("error", "lost", { why }),
      windowMs: this.#options.windowMs ?? windowMsDefault,
      tier: replicated ? "r3" : "r1",
      atomic: batches,
      ordering: this.#options.ordering ?? (!replicated ? "pipeline" : batches ? "batch" : "single"),
      publisher: publisherDefaults,
    });
    await log.refresh();
    log.keepFresh();
    return log;
  }

  /** What the log can do. */
  get transactions(): boolean {
    return this.#options.batches;
  }

  get lastSeq(): number {
    return this.#records.newest(subjects.allTopics)?.seq ?? this.#records.lastSeq;
  }

  get firstSeq(): number {
    return this.#records.from(1, [subjects.allTopics]).next().value?.seq ?? this.#records.lastSeq + 1;
  }

  trim(newest: number): void {
    this.contents();
    const old = this.#clock.nowMs - keptMs;
    const held = [...this.#records.from(1, [subjects.allTopics])];
    // Retention and a restart together would take a record and its message id before its client sends it again.
    const kept = held.find(
      ({ atMs, data }, i) => atMs > old || i >= held.length - newest || !this.#options.isSettled(keyOf(data)),
    );
    if (kept !== undefined) purge(this.#records, { filter: subjects.allTopics, seq: kept.seq });
  }

  heal(): void {
    this.nats.heal();
  }

  /** As of the other storage; what the gateway alone writes but for dead letters is left out. */
  contents(): readonly StoredRecord[] {
    for (const { seq, subject, fields, data, atMs } of this.#records.from(this.#contentsUpTo + 1, [
      subjects.allTopics,
    ])) {
      const topic = subjects.topicOf(subject);
      this.#checkOrder(fields.get("Nats-Msg-Id"), seq);
      if (matches(lifecycleFilter, topic)) this.#told.push({ topic, payload: data });
      if (topic.startsWith("$") && !topic.startsWith("$dead.")) continue;
      const { lane } = readRecordHeaders(new HeaderBlock(headerBlock(fields)));
      this.#contents.push({ seq, topic, lane, key: keyOf(data), time: Math.floor(atMs) });
    }
    this.#contentsUpTo = this.#records.lastSeq;
    return this.#contents;
  }

  /** As of the other storage. What a step decided and nobody has written into its journal yet is not in it. */
  lifecycle(): { readonly journals: readonly JournalledEntry[]; readonly told: readonly ToldRecord[] } {
    this.contents();
    const journals: JournalledEntry[] = [];
    for (const { subject, fields, data } of this.#journals.from(1, [subjects.journalsOf("session")])) {
      const [first, last] = (fields.get(header.entries) ?? "").split("-").map(Number);
      if (first === undefined || last === undefined || last < first) continue;
      const session = subjects.journalIdOf(subject);
      for (const [i, entry] of unpackEntries(data).entries()) journals.push({ session, seq: first + i, data: entry });
    }
    return { journals, told: this.#told };
  }

  /** Numbers of one producer are stored in their order. */
  get disordered(): readonly Violation[] {
    return this.#disordered;
  }

  #checkOrder(id: string | undefined, seq: number): void {
    const slash = id?.lastIndexOf("/") ?? -1;
    // What stands there a second time is another checker's: here the first time counts.
    if (id === undefined || slash < 0 || this.#ids.has(id)) return;
    this.#ids.add(id);
    const producer = id.slice(0, slash);
    const number = Number.parseInt(id.slice(slash + 1), 10);
    const last = this.#numbers.get(producer) ?? 0;
    // Where a single server refuses a record for overload, those behind it may pass it.
    if (number < last && (this.nats.replicated || !this.nats.wasOverloaded))
      this.#disordered.push({ checker: "stored in order", message: `${id} is stored at ${seq}, after ${last}` });
    this.#numbers.set(producer, Math.max(number, last));
  }
}
