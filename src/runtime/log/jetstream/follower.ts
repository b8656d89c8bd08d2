/**
 * Follows a stream: every message after a place, in order, each once, whatever happens to servers in between.
 *
 * A pull consumer in memory on one server, made anew when it is silent or skips a number; direct reads while none can
 * be made.
 *
 * Owns: `last`; a message is handed over only when it is the next one.
 * @module
 */
import { pause } from "../../pause.ts";
import type { Clock, Timer } from "../../ports.ts";
import { UnavailableError } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import type { HeaderBlock } from "./header-block.ts";
import type { Incoming } from "./wire-reader.ts";

export type FollowOptions = {
  readonly stream: string;
  /** `[everything]`: the server looks at no filter then, which takes a good part of what a delivery costs it. */
  readonly filters: readonly string[];
  /** The last message that is known already. */
  readonly after: number;
  readonly headersOnly?: boolean;
  /** Only the newest message of each subject, from the beginning. */
  readonly lastPerSubject?: boolean;
  /** Resolves when the stream holds up to `after` what it held; asked before each beginning. */
  readonly certain?: () => Promise<void>;
  readonly onMessages: (messages: readonly Stored[]) => void;
  /**
   * Asked when messages between two are missing: is none of them held any more? The follower goes on then. Absent: they
   * are of other subjects.
   */
  readonly onHole?: (after: number, before: number) => Promise<boolean>;
  readonly onTrouble: (problem: string) => void;
};

/** Filter of a whole stream. */
export const everything = ">";

const pullBatch = 5_000;
/** Two pulls of it are less than what a server keeps for a connection that does not read (64 MiB) before it cuts it. */
const pullBytes = 16 * 1_048_576;
const pullExpiresNs = 10_000_000_000;
const heartbeatNs = 500_000_000;
/** Three heartbeats. */
const silenceMs = 1_500;
const checkMs = 250;
const retryMs = 200;
const directBatch = 512;
const inactiveNs = 30_000_000_000;

/** With domain and account before and a random token after. */
const longPlaceTokens = 12;

type ConsumerInfo = { readonly name: string };

export class Follower {
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #options: FollowOptions;
  #last: number;
  #stopped = false;
  #consumer: Consumer | undefined;
  #starting = false;
  /** The first message after some that did not come. */
  #beyondHole: number | undefined;
  #timer: Timer | undefined;
  #gathered: Stored[] = [];

  constructor(api: Api, clock: Clock, options: FollowOptions) {
    this.#api = api;
    this.#clock = clock;
    this.#options = options;
    this.#last = options.after;
    this.#watch();
    void this.#restart("start");
  }

  get last(): number {
    return this.#last;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#drop();
  }

  /** The connection is back: what the old consumer sent meanwhile is gone. */
  reconnected(): void {
    void this.#restart("reconnected");
  }

  #watch(): void {
    const due = this.#clock.now() + checkMs;
    this.#timer = this.#clock.after(checkMs, () => {
      if (this.#stopped) return;
      const [now, consumer] = [this.#clock.now(), this.#consumer];
      // This process stood still: what came meanwhile is yet to be read.
      if (consumer !== undefined && now - due > checkMs) consumer.heardAt = now;
      if (consumer !== undefined && now - consumer.heardAt > silenceMs) void this.#restart("silent");
      this.#watch();
    });
  }

  async #restart(why: string): Promise<void> {
    this.#drop();
    if (this.#starting || this.#stopped) return;
    this.#starting = true;
    if (why !== "start" && why !== "reconnected" && why !== "hole") this.#options.onTrouble(why);
    try {
      while (!this.#stopped && this.#consumer === undefined) await this.#tryStart();
    } finally {
      this.#starting = false;
    }
  }

  async #tryStart(): Promise<void> {
    const { stream, filters, headersOnly, lastPerSubject, certain } = this.#options;
    try {
      await certain?.();
    } catch {
      return pause(this.#clock, retryMs);
    }
    try {
      if (!(await this.#passHole())) return await pause(this.#clock, retryMs);
      const from = this.#last + 1;
      const config = {
        ...filtered(filters),
        ...(lastPerSubject === true
          ? { deliver_policy: "last_per_subject" }
          : { deliver_policy: "by_start_sequence", opt_start_seq: from }),
        ack_policy: "none",
        mem_storage: true,
        num_replicas: 1,
        max_deliver: 1,
        inactive_threshold: inactiveNs,
        ...(headersOnly === true ? { headers_only: true } : {}),
      };
      const body = { stream_name: stream, config, action: "create" };
      if (this.#stopped) return;
      const { name } = await this.#api.askOnceOnly<ConsumerInfo>(`$JS.API.CONSUMER.CREATE.${stream}`, body);
      if (this.#stopped) return this.#delete(name);
      // What the direct reads below brought meanwhile was after `from`: this consumer would bring it again.
      if (this.#last + 1 !== from) return this.#delete(name);
      this.#consumer = new Consumer(this.#api, this.#clock, {
        stream,
        name,
        receive: (message) => this.#receive(message),
      });
    } catch (error) {
      if (!(error instanceof UnavailableError))
        this.#options.onTrouble(error instanceof Error ? error.message : String(error));
      await this.#readDirectly();
    }
  }

  /** False: what is missing is still held somewhere, and may come. */
  async #passHole(): Promise<boolean> {
    const before = this.#beyondHole;
    this.#beyondHole = undefined;
    if (before === undefined) return true;
    if ((await this.#options.onHole?.(this.#last, before)) === false) return false;
    this.#last = before - 1;
    return true;
  }

  /** Messages before this one are missing: it does not count yet. */
  #meetsHole(seq: number): boolean {
    if (this.#options.onHole === undefined || seq === this.#last + 1) return false;
    this.#beyondHole = seq;
    return true;
  }

  /** No consumer can be made (its leader is being elected): any server that holds the stream can be read. */
  async #readDirectly(): Promise<void> {
    const { stream, filters, lastPerSubject } = this.#options;
    try {
      if (filters.length === 1 && lastPerSubject !== true) {
        const request = { seq: this.#last + 1, next_by_subj: filters[0] as string, batch: directBatch };
        const { messages } = await this.#api.batch(stream, request);
        if (this.#stopped) return;
        const next: Stored[] = [];
        for (const message of messages) {
          if (this.#meetsHole(message.seq)) break;
          this.#last = message.seq;
          next.push(message);
        }
        if (next.length > 0) return this.#options.onMessages(next);
      }
    } catch {
      // Away as well.
    }
    await pause(this.#clock, retryMs);
  }

  #receive(message: Stored | "broken"): void {
    if (message === "broken") return void this.#restart("gap");
    if (message.seq <= this.#last) return;
    if (this.#meetsHole(message.seq)) return void this.#restart("hole");
    this.#last = message.seq;
    this.#gathered.push(message);
    // What came in one turn of the loop is handed over in one call.
    if (this.#gathered.length === 1) this.#clock.soon(() => this.#handOver());
  }

  #handOver(): void {
    const messages = this.#gathered;
    this.#gathered = [];
    if (!this.#stopped && messages.length > 0) this.#options.onMessages(messages);
  }

  #drop(): void {
    this.#handOver(); // Before anything that comes another way.
    this.#consumer?.stop();
    const name = this.#consumer?.name;
    this.#consumer = undefined;
    if (name !== undefined) this.#delete(name);
  }

  #delete(name: string): void {
    this.#api.tell(`$JS.API.CONSUMER.DELETE.${this.#options.stream}.${name}`);
  }
}

type ConsumerOptions = {
  readonly stream: string;
  readonly name: string;
  readonly receive: (message: Stored | "broken") => void;
};

/** One consumer: pulls ahead, and checks that no number of it is missing. */
class Consumer {
  readonly name: string;
  heardAt: number;
  readonly #api: Api;
  readonly #clock: Clock;
  readonly #options: ConsumerOptions;
  readonly #inbox: { readonly reply: string; end(): void };
  #delivered = 0;
  /** `#delivered` when all that was asked for has come. */
  #asked = 0;
  #deliveredAtPull = -1;
  #isLong: boolean | undefined;

  constructor(api: Api, clock: Clock, options: ConsumerOptions) {
    this.#api = api;
    this.#clock = clock;
    this.#options = options;
    this.name = options.name;
    this.heardAt = clock.now();
    this.#inbox = api.subscribe((message) => this.#receive(message));
    this.#pull();
  }

  stop(): void {
    this.#inbox.end();
  }

  #pullAhead(): void {
    if (this.#asked - this.#delivered < pullBatch / 2) this.#pull();
  }

  #pull(): void {
    // Nothing came of the last one: the next message may be larger than that.
    const isStuck = this.#deliveredAtPull === this.#delivered;
    const bound = isStuck ? {} : { max_bytes: pullBytes };
    const body = { batch: isStuck ? 1 : pullBatch, ...bound, expires: pullExpiresNs, idle_heartbeat: heartbeatNs };
    this.#deliveredAtPull = this.#delivered;
    this.#asked += body.batch;
    this.#api.tell(`$JS.API.CONSUMER.MSG.NEXT.${this.#options.stream}.${this.name}`, body, this.#inbox.reply);
  }

  #receive(message: Incoming): void {
    this.heardAt = this.#clock.now();
    const { headers, bytes, from, to } = message;
    const code = headers?.code ?? 0;
    if (headers !== undefined && code !== 0) return this.#status(code, headers);
    const { reply } = message;
    this.#isLong ??= reply.split(".").length >= longPlaceTokens;
    const { seq, delivered, timeMs } = placeOf(reply, this.#isLong);
    if (delivered !== this.#delivered + 1) return this.#options.receive("broken");
    this.#delivered = delivered;
    this.#pullAhead();
    this.#options.receive({ seq, subject: message.subject, timeMs, headers, data: bytes.slice(from, to) });
  }

  /**
   * 100: alive, and what it has delivered; the last of it may be lost between servers. 408, 409: that pull is over, so
   * much of it did not come. Anything else: the consumer is gone.
   */
  #status(code: number, headers: HeaderBlock): void {
    const left = headers.get("Nats-Pending-Messages");
    if (code === 100) {
      if (Number(headers.get("Nats-Last-Consumer")) > this.#delivered) this.#options.receive("broken");
      return;
    }
    if (code !== 408 && code !== 409) return this.#options.receive("broken");
    if (code === 408) this.#deliveredAtPull = -1; // Nothing was published, it is not stuck.
    this.#asked = left === "" ? this.#delivered : this.#asked - Number(left);
    this.#pullAhead();
  }
}

function filtered(filters: readonly string[]): object {
  const [first] = filters;
  if (first === everything) return {};
  return filters.length === 1 ? { filter_subject: first } : { filter_subjects: filters };
}

/** Of nanoseconds that are less than a millisecond. */
const subMsDigits = 6;
const zero = 48;

/** `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<consumer seq>.<ns>.<pending>`; longer where there are domains. */
function placeOf(
  reply: string,
  isLong: boolean,
): { readonly seq: number; readonly delivered: number; readonly timeMs: number } {
  const end = isLong ? reply.lastIndexOf(".") : reply.length;
  const pendingAt = reply.lastIndexOf(".", end - 1);
  const timeAt = reply.lastIndexOf(".", pendingAt - 1);
  const deliveredAt = reply.lastIndexOf(".", timeAt - 1);
  const seqAt = reply.lastIndexOf(".", deliveredAt - 1);
  return {
    seq: numberIn(reply, seqAt + 1, deliveredAt),
    delivered: numberIn(reply, deliveredAt + 1, timeAt),
    timeMs: numberIn(reply, timeAt + 1, pendingAt - subMsDigits),
  };
}

function numberIn(text: string, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) value = value * 10 + text.charCodeAt(i) - zero;
  return value;
}
