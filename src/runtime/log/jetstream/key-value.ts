/**
 * Key-value on a bucket's stream, as NATS' own key-value stores keep it: one subject a key, the newest message counts.
 *
 * Owns: a revision is a seq of the stream, never given twice. The time of a value is whole seconds, one at least.
 * @module
 */
import type { Clock } from "../../ports.ts";
import { keyConflict } from "../append-plan.ts";
import type { Follow, KeyValue, KeyValueChange, KeyValueEntry, LogFailure } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";
import { Follower } from "./follower.ts";
import { type Fields, header } from "./headers.ts";
import { failureOf, type Message, noPayload, type Publisher, refusal } from "./publisher.ts";
import type { Names, Subjects } from "./subjects.ts";

export type KeyValueParts = {
  readonly api: Api;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
  readonly op: () => string;
};
type Put = Awaited<ReturnType<KeyValue["put"]>>;

/** Set by the server on the message that ends a value's time. */
const markerReason = "Nats-Marker-Reason";
const triesMax = 5;

export class JetStreamKeyValue implements KeyValue {
  readonly #parts: KeyValueParts;
  readonly #followers = new Set<Follower>();
  /** Watches that do not know yet where they begin: what is written from now on must come after that. */
  readonly #beginning = new Set<Promise<void>>();

  constructor(parts: KeyValueParts) {
    this.#parts = parts;
  }

  async get(key: string): Promise<KeyValueEntry | undefined> {
    const found = await this.#newest(key);
    return found === undefined || isEnd(found) ? undefined : this.#entry(found);
  }

  async put(
    key: string,
    value: Uint8Array,
    { expected, ttlMs }: { readonly expected?: number; readonly ttlMs?: number } = {},
  ): Promise<Put> {
    const fields: Fields = ttlMs === undefined ? {} : { [header.ttl]: `${Math.max(1, Math.ceil(ttlMs / 1_000))}s` };
    const result = await this.#write(key, { fields, payload: value, expected });
    return "revision" in result ? { ok: true, revision: result.revision } : result;
  }

  async delete(
    key: string,
    { expected }: { readonly expected?: number } = {},
  ): Promise<{ readonly ok: true } | LogFailure> {
    const result = await this.#write(key, { fields: { [header.operation]: "DEL" }, payload: noPayload, expected });
    return "revision" in result ? { ok: true } : result;
  }

  /** `expected` 0 means absent: a message that ends a value is as good as none. */
  async #write(
    key: string,
    write: { readonly fields: Fields; readonly payload: Uint8Array; readonly expected: number | undefined },
  ): Promise<{ readonly revision: number } | LogFailure> {
    if (this.#beginning.size > 0) await Promise.all(this.#beginning);
    const op = this.#parts.op();
    let at = write.expected;
    for (let tries = 0; tries < triesMax; tries++) {
      const fields: Fields = {
        ...write.fields,
        [header.op]: op,
        ...(at === undefined ? {} : { [header.expectedLast]: at }),
      };
      const message: Message = { subject: this.#parts.subjects.key(key), fields, payload: write.payload };
      const result = await this.#parts.publisher.publish([message]);
      if (result.ok) return { revision: result.seq };
      if (result.code !== refusal.wrongLastSeq) return failureOf(result);
      const newest = await this.#newest(key);
      if (newest?.headers?.get(header.op) === op) return { revision: newest.seq };
      const actual = newest === undefined || isEnd(newest) ? 0 : newest.seq;
      if (write.expected !== 0 || actual !== 0) return keyConflict(key, write.expected ?? 0, actual);
      at = newest?.seq ?? 0;
    }
    return { ok: false, code: "unavailable", message: `Key ${key} is written by many`, retryable: true };
  }

  async list(prefix: string, cursor: string, max: number): Promise<readonly KeyValueEntry[]> {
    const { api, names, subjects } = this.#parts;
    const keys = (await api.subjects(names.keyValue, subjects.allKeys))
      .map((subject) => subjects.keyOf(subject))
      .sort();
    const entries: KeyValueEntry[] = [];
    for (const key of keys) {
      if (entries.length >= max) break;
      if (key <= cursor || !key.startsWith(prefix)) continue;
      const entry = await this.get(key);
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  watch(prefix: string, onChange: (change: KeyValueChange) => void): Follow {
    const { api, clock, names, subjects } = this.#parts;
    let follower: Follower | undefined;
    let stopped = false;
    const begin = (after: number): void => {
      if (stopped) return;
      follower = new Follower(api, clock, {
        stream: names.keyValue,
        filters: [subjects.allKeys],
        after,
        onMessages: (messages) => {
          for (const message of messages) {
            const key = subjects.keyOf(message.subject);
            if (stopped || !key.startsWith(prefix)) continue;
            onChange(isEnd(message) ? { key, deleted: true, revision: message.seq } : this.#entry(message));
          }
        },
        onTrouble: () => undefined,
      });
      this.#followers.add(follower);
    };
    const beginning = api.last(names.keyValue, subjects.allKeys).then(
      (last) => begin(last?.seq ?? 0),
      () => begin(0),
    );
    this.#beginning.add(beginning);
    void beginning.finally(() => this.#beginning.delete(beginning));
    return {
      stop: () => {
        stopped = true;
        follower?.stop();
        if (follower !== undefined) this.#followers.delete(follower);
      },
    };
  }

  reconnected(): void {
    for (const follower of this.#followers) follower.reconnected();
  }

  close(): void {
    for (const follower of this.#followers) follower.stop();
    this.#followers.clear();
  }

  #newest(key: string): Promise<Stored | undefined> {
    return this.#parts.api.last(this.#parts.names.keyValue, this.#parts.subjects.key(key));
  }

  #entry({ subject, data, seq }: Stored): KeyValueEntry {
    return { key: this.#parts.subjects.keyOf(subject), value: data, revision: seq };
  }
}

function isEnd({ headers }: Stored): boolean {
  return (headers?.get(header.operation) ?? "") !== "" || (headers?.get(markerReason) ?? "") !== "";
}
