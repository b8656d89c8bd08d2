/**
 * Sees that the stream lost its end: servers that lost their power come back without what they had not flushed, and
 * give its seqs to other records.
 *
 * Owns: in one epoch a seq means one record. Where the end was lost a new epoch begins, and a key says how far each
 * earlier one is still true, for every node that opens the log later.
 * @module
 */
import type { LogEpoch, Seq } from "../../../protocol/ids.ts";
import type { EarlierEpoch } from "../../../protocol/position.ts";
import { type Follow, type KeyValue, UnavailableError } from "../event-log.ts";
import type { Api } from "./api.ts";
import { header } from "./headers.ts";
import { noPayload, type Publisher } from "./publisher.ts";
import type { Names, Subjects } from "./subjects.ts";

export type TailParts = {
  readonly api: Api;
  readonly publisher: Publisher;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly keyValue: KeyValue;
  readonly epochs: Epochs;
  /** The newest seq that is known to have been stored. */
  readonly lastSeq: () => Seq;
  /** First record that is not older. */
  readonly seqAtTime: (time: number) => Promise<Seq>;
  /** Nothing that this process knows of the log counts any more. */
  readonly lost: (why: string) => void;
};

/** Of the stream as it was made; a new one begins with each loss of its end. */
export type Epochs = { readonly stream: LogEpoch; readonly earlier: readonly EarlierEpoch[] };
type Newest = { readonly seq: Seq; readonly time: number };

/** Of the key-value bucket: it says what it is, for who looks in there. */
export const epochsKey = "log/epochs";
const probeTtl = "60s";
/** The same nanosecond, told as text and as a number. */
const roundingMs = 1;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

export function epochNow({ stream, earlier }: Epochs): LogEpoch {
  return earlier.length === 0 ? stream : `${stream}+${earlier.length}`;
}

/** As the key has it; of another stream of that name it says nothing. */
export function epochsOf(stream: LogEpoch, value: Uint8Array | undefined): Epochs {
  const held = value === undefined ? undefined : (JSON.parse(decoder.decode(value)) as Epochs);
  return held?.stream === stream ? held : { stream, earlier: [] };
}

export class Tail {
  readonly #parts: TailParts;
  readonly #watch: Follow;
  #newest: Newest | undefined;
  #checking: Promise<void> | undefined;
  /** Counts how often NATS was away: what is stored at a seq now may be another record. */
  #doubts = 0;
  #certain = 0;
  #over = false;

  constructor(parts: TailParts) {
    this.#parts = parts;
    this.#watch = parts.keyValue.watch(epochsKey, (change) => {
      if ("value" in change && change.key === epochsKey) this.#told(change.value);
    });
  }

  saw(seq: Seq, time: number): void {
    if (this.#doubts !== this.#certain) return;
    if (seq > (this.#newest?.seq ?? 0)) this.#newest = { seq, time };
  }

  /** After NATS was away, and now and then. Rejects while NATS is away. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** NATS is away. */
  doubt(): void {
    this.#doubts++;
  }

  /** Resolves when the stream is known to hold what it held; rejects while NATS is away, and when it is lost. */
  async certain(): Promise<void> {
    const doubts = this.#doubts;
    if (doubts === this.#certain) return;
    await this.#checking?.catch(() => undefined); // One that began before tells nothing.
    await this.check();
    if (this.#over) throw new UnavailableError("The log lost its end");
    this.#certain = doubts;
  }

  stop(): void {
    this.#over = true;
    this.#watch.stop();
  }

  #told(value: Uint8Array): void {
    const { epochs } = this.#parts;
    if (this.#checking !== undefined) return; // It may be its own.
    if (epochsOf(epochs.stream, value).earlier.length > epochs.earlier.length)
      this.#lose("Another gateway found that the log lost its end");
  }

  async #check(): Promise<void> {
    const [known, newest] = [this.#parts.lastSeq(), this.#newest];
    if (this.#over || newest === undefined || (await this.#holds(newest, known))) return;
    const last = await this.#lastTrue(newest);
    await this.#write(last);
    this.#lose(
      `The log lost its end: it goes to seq ${last}, and ${known} was stored. Its servers came back without what they had not flushed`,
    );
  }

  async #holds({ seq, time }: Newest, known: Seq): Promise<boolean> {
    const { api, names } = this.#parts;
    const found = await api.at(names.records, seq);
    if (found !== undefined && Math.abs(found.timeMs - time) > roundingMs) return false;
    if ((await api.lastSeq(names.records)) >= known) return true;
    // A new leader may not have come to the end of its own log: what is stored now comes after all that was.
    return (await this.#probe()) > known;
  }

  async #probe(): Promise<Seq> {
    const { publisher, subjects } = this.#parts;
    const message = { subject: subjects.steps(epochsKey), fields: { [header.ttl]: probeTtl }, payload: noPayload };
    const result = await publisher.publish([message]);
    if (!result.ok) throw new Error(`The end of the log could not be looked for: ${result.message}`);
    return result.seq;
  }

  /** What was stored after the newest that was seen is stored anew. */
  async #lastTrue({ time }: Newest): Promise<Seq> {
    const { api, names, subjects, seqAtTime } = this.#parts;
    const last = await api.last(names.records, subjects.allTopics);
    return Math.min(last?.seq ?? 0, (await seqAtTime(time + roundingMs + 1)) - 1);
  }

  /** Of several nodes that find it one writes. */
  async #write(last: Seq): Promise<void> {
    const { keyValue, epochs } = this.#parts;
    const held = await keyValue.get(epochsKey);
    if (epochsOf(epochs.stream, held?.value).earlier.length > epochs.earlier.length) return;
    const next: Epochs = { ...epochs, earlier: [...epochs.earlier, { epoch: epochNow(epochs), last }] };
    const written = await keyValue.put(epochsKey, encoder.encode(JSON.stringify(next)), {
      expected: held?.revision ?? 0,
    });
    if (!written.ok && written.code !== "conflict") throw new Error(written.message);
  }

  #lose(why: string): void {
    if (this.#over) return;
    this.stop();
    this.#parts.lost(why);
  }
}
