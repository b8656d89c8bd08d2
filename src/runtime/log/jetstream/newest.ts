/**
 * Finds the newest message of a subject as the stream's leader has it. Where one server holds the stream, any answer
 * is the leader's: questions that come together are one question then, whose answers are not wrapped in JSON.
 * @module
 */
import type { Clock } from "../../ports.ts";
import type { Api, Stored } from "./api.ts";

export type NewestParts = {
  readonly api: Api;
  readonly clock: Clock;
  /** Several servers hold the streams: one that answers may be behind. */
  readonly replicated: boolean;
};

type Asked = { readonly resolve: (found: Stored | undefined) => void; readonly reject: (error: unknown) => void };

/** A server answers for 1 024 at most. */
const subjectsMax = 256;

export class Newest {
  readonly #parts: NewestParts;
  /** By stream and subject. */
  readonly #asked = new Map<string, Map<string, Asked[]>>();

  constructor(parts: NewestParts) {
    this.#parts = parts;
  }

  of(stream: string, subject: string): Promise<Stored | undefined> {
    const { api, clock, replicated } = this.#parts;
    if (replicated) return api.last(stream, subject);
    return new Promise((resolve, reject) => {
      const asked = this.#asked.get(stream) ?? new Map<string, Asked[]>();
      asked.set(subject, [...(asked.get(subject) ?? []), { resolve, reject }]);
      if (this.#asked.has(stream) && asked.size < subjectsMax) return;
      if (asked.size >= subjectsMax) return this.#ask(stream);
      this.#asked.set(stream, asked);
      clock.soon(() => this.#ask(stream));
    });
  }

  #ask(stream: string): void {
    const asked = this.#asked.get(stream);
    this.#asked.delete(stream);
    if (asked === undefined) return;
    const request = { multi_last: [...asked.keys()], batch: asked.size };
    this.#parts.api.batch(stream, request).then(
      ({ messages }) => {
        const found = new Map(messages.map((message) => [message.subject, message]));
        for (const [subject, all] of asked) for (const { resolve } of all) resolve(found.get(subject));
      },
      (error: unknown) => {
        for (const all of asked.values()) for (const { reject } of all) reject(error);
      },
    );
  }
}
