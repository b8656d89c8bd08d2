/**
 * Load on a log while a test breaks what is under it, and the facts that must hold after it: what was acknowledged is
 * stored once at its seq, nothing is stored twice, each producer's numbers are in order, each journal is what was
 * acknowledged, and a follower that began with the load saw every record once, in order.
 */
import { expect } from "bun:test";
import type { ConnectionOptions } from "@nats-io/transport-node";
import type { EventLog, LogFailure, LogRecord } from "../../../src/runtime/log/event-log.ts";
import { openJetStreamLog } from "../../../src/runtime/log/jetstream/open.ts";
import type { ProvisionOptions } from "../../../src/runtime/log/jetstream/provision.ts";
import type { PublisherOptions } from "../../../src/runtime/log/jetstream/publisher.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { newRecord } from "./new-record.ts";

export type OpenOptions = {
  readonly provision?: Partial<ProvisionOptions>;
  readonly publisher?: Partial<PublisherOptions>;
  readonly connection?: ConnectionOptions;
};

let names = 0;
/** One for each test: several tests share a server. */
export function logName(): string {
  return `f${++names}`;
}

export function openLog(servers: readonly string[], name: string, options: OpenOptions = {}): Promise<EventLog> {
  const ports = { clock: systemClock(), random: systemRandom(), logger: { log: () => undefined } };
  return openJetStreamLog({ servers, name, provision: {}, ...options, ...ports });
}

export type LoadOptions = {
  /** @default 6 */
  readonly producers?: number;
  /** Appends of one producer that wait for their answers. @default 3 */
  readonly depth?: number;
  /** @default 3 */
  readonly journals?: number;
  /** Bytes of each payload. @default 20 */
  readonly bytes?: number;
  /** False: the server may refuse one publish and take the next. @default true */
  readonly ordered?: boolean;
};

const waitMsMax = 45_000;
const retryMs = 20;
const recordsPerAppend = 3;

type Sent = { readonly numbers: readonly number[]; readonly after: number };

export class Load {
  /** Seq by record id; 0: answered as a duplicate without its place. */
  readonly acknowledged = new Map<string, number>();
  readonly followed: LogRecord[] = [];
  readonly failures: LogFailure[] = [];
  /** Of two answers, in milliseconds. */
  longestSilence = 0;
  longestFollowerSilence = 0;
  readonly #log: EventLog;
  readonly #options: Required<LoadOptions>;
  readonly #journals = new Map<string, number>();
  readonly #follow: { stop(): void };
  readonly #running: Promise<unknown>;
  #stopping = false;
  #answeredAt = performance.now();
  #followedAt = performance.now();

  constructor(log: EventLog, options: LoadOptions = {}) {
    this.#log = log;
    this.#options = { producers: 6, depth: 3, journals: 3, bytes: 20, ordered: true, ...options };
    this.#follow = log.follow(0, (records) => this.#followedThese(records));
    const { producers, journals } = this.#options;
    this.#running = Promise.all([
      ...Array.from({ length: producers }, (_, i) => this.#produce(`p${i}`)),
      ...Array.from({ length: journals }, (_, i) => this.#keepJournal(`j${i}`)),
    ]);
    this.#running.catch(() => undefined);
  }

  /** Resolves when so many more records are acknowledged. */
  async moves(count = 200): Promise<void> {
    const from = this.acknowledged.size;
    await Promise.race([
      until(`${count} more records were acknowledged`, () => this.acknowledged.size >= from + count),
      this.#running,
    ]);
  }

  /** Ends the load, and holds what a log that is opened then reads against what was answered. */
  async end(openReader: () => Promise<EventLog>): Promise<void> {
    this.#stopping = true;
    await this.#running;
    const last = Math.max(0, ...this.acknowledged.values());
    await until("the follower came to the end", () => (this.followed.at(-1)?.seq ?? 0) >= last);
    this.#follow.stop();
    const reader = await openReader();
    const stored = await readAll(reader);
    const seqs = new Map(stored.map(({ id, seq }) => [id, seq]));
    expect(seqs.size).toBe(stored.length);
    const misplaced = [...this.acknowledged].filter(([id, seq]) => (seq === 0 ? !seqs.has(id) : seqs.get(id) !== seq));
    expect(misplaced).toEqual([]);
    if (this.#options.ordered) expect(outOfOrder(stored)).toEqual([]);
    expect(this.followed.map(({ seq, id }) => `${seq} ${id}`)).toEqual(stored.map(({ seq, id }) => `${seq} ${id}`));
    for (const [id, count] of this.#journals) {
      const entries = await reader.journals.read({ kind: "test", id }, 0, count + 10);
      expect(entries.map(({ data }) => new TextDecoder().decode(data))).toEqual(
        Array.from({ length: count }, (_, i) => `${i + 1}`),
      );
    }
    await reader.close();
  }

  #followedThese(records: readonly LogRecord[]): void {
    const now = performance.now();
    this.longestFollowerSilence = Math.max(this.longestFollowerSilence, now - this.#followedAt);
    this.#followedAt = now;
    this.followed.push(...records);
  }

  #answered(): void {
    const now = performance.now();
    this.longestSilence = Math.max(this.longestSilence, now - this.#answeredAt);
    this.#answeredAt = now;
  }

  /** As a session does: numbers go out without waiting, and again from the first that failed. */
  async #produce(producer: string): Promise<void> {
    let mark = 0;
    let unanswered: Sent[] = [];
    while (!this.#stopping || unanswered.length > 0) {
      let next = unanswered.at(-1)?.numbers.at(-1) ?? mark;
      while (!this.#stopping && unanswered.length < this.#options.depth) {
        const numbers = Array.from({ length: 1 + (next % recordsPerAppend) }, (_, i) => next + 1 + i);
        unanswered.push({ numbers, after: next });
        next = numbers.at(-1) as number;
      }
      const answers = await Promise.all(unanswered.map((sent) => this.#append(producer, sent)));
      let stored = answers.findIndex((ok) => !ok);
      if (stored === -1) stored = answers.length;
      mark = unanswered[stored - 1]?.numbers.at(-1) ?? mark;
      unanswered = unanswered.slice(stored);
      if (unanswered.length > 0) await Bun.sleep(retryMs);
    }
  }

  async #append(producer: string, { numbers, after }: Sent): Promise<boolean> {
    const ids = numbers.map((number) => `${producer}/${number}`);
    const payload = new Uint8Array(this.#options.bytes);
    const records = ids.map((id) => ({ ...newRecord(`load.${producer}`, ""), id, payload }));
    const result = await this.#log.append({ records, numbered: { producer, after, numbers } });
    if (!result.ok) {
      this.failures.push(result);
      return false;
    }
    this.#answered();
    for (const [i, id] of ids.entries()) this.acknowledged.set(id, result.seqs[i] as number);
    return true;
  }

  async #keepJournal(id: string): Promise<void> {
    for (let seq = 0; !this.#stopping; ) {
      const entries = [new TextEncoder().encode(`${seq + 1}`)];
      const result = await this.#log.journals.append({ key: { kind: "test", id }, expected: seq, entries });
      if (result.ok) this.#journals.set(id, ++seq);
      else if (result.code === "unavailable") await Bun.sleep(retryMs);
      else throw new Error(`Journal ${id} was refused: ${result.message}`);
    }
  }
}

export async function readAll(log: EventLog, filter = ">"): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let after = 0; ; ) {
    const page = await log.read({ filter, after, recordsMax: 10_000, bytesMax: 1 << 26 });
    records.push(...page.records);
    if (page.done) return records;
    after = page.scannedTo;
  }
}

/** Ids `<producer>/<number>` that are stored after a higher number of their producer. */
function outOfOrder(records: readonly LogRecord[]): string[] {
  const highest = new Map<string, number>();
  return records.flatMap(({ id }) => {
    const [producer = "", number = 0] = id.split("/");
    const before = highest.get(producer) ?? 0;
    highest.set(producer, Math.max(before, Number(number)));
    return Number(number) > before ? [] : [id];
  });
}

/** What happens in another process announces itself to nobody here. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + waitMsMax;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`Not within ${waitMsMax} ms: ${what}`);
    await Bun.sleep(5);
  }
}
