/**
 * Turns a question that can be asked again into server-sent events: asked once a second for all who want it, told to
 * each when the answer has changed. A slow reader gets the newest answer and no backlog.
 *
 * Bounded: one answer in memory per question, and a number of readers over all.
 * @module
 */
import type { Clock, Timer } from "../../runtime/ports.ts";
import { ProblemError } from "./problem.ts";

type Question = {
  readonly ask: () => Promise<string>;
  readonly readers: Set<() => void>;
  text: string;
  version: number;
  timer: Timer | undefined;
};
export type LiveReader = {
  readonly key: string;
  /** JSON of the answer. */
  readonly ask: () => Promise<string>;
  /** False ends the stream: the reader's key was withdrawn, its token ran out. */
  readonly holds: () => boolean;
};

const intervalMs = 1_000;
/** So that neither end, nor a proxy between them, takes silence for death. */
const commentMs = 5_000;
const readersMax = 1_000;
const encoder = new TextEncoder();

export class LiveAnswers {
  readonly #clock: Clock;
  readonly #questions = new Map<string, Question>();
  #readers = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get readers(): number {
    return this.#readers;
  }

  /** Rejects when the first answer cannot be given: then there is nothing to follow. */
  async stream(reader: LiveReader): Promise<ReadableStream<Uint8Array>> {
    this.enter();
    try {
      const question = this.#questions.get(reader.key) ?? (await this.#begin(reader));
      return this.#follow(question, reader);
    } catch (error) {
      this.leave();
      throw error;
    }
  }

  /** Counts another stream; throws a problem when there are too many. */
  enter(): void {
    if (this.#readers >= readersMax)
      throw new ProblemError(503, "tooManyStreams", `${readersMax} streams of events are open, more are not served`);
    this.#readers++;
  }
  leave(): void {
    this.#readers--;
  }

  async #begin({ key, ask }: LiveReader): Promise<Question> {
    const text = await ask();
    const held = this.#questions.get(key);
    if (held !== undefined) return held; // another reader was faster
    const question: Question = { ask, readers: new Set(), text, version: 1, timer: undefined };
    this.#questions.set(key, question);
    return question;
  }

  #arm(key: string, question: Question): void {
    question.timer = this.#clock.after(intervalMs, () => void this.#askAgain(key, question));
  }

  async #askAgain(key: string, question: Question): Promise<void> {
    const text = await question.ask().catch((error: unknown) => JSON.stringify({ problem: String(error) }));
    if (question.readers.size === 0) return;
    if (text !== question.text) {
      question.text = text;
      question.version++;
    }
    for (const wake of [...question.readers]) wake();
    this.#arm(key, question);
  }

  #follow(question: Question, reader: LiveReader): ReadableStream<Uint8Array> {
    let seen = 0;
    let saidAt = this.#clock.now();
    let wake = (): void => {};
    const onNews = (): void => wake();
    const end = (): void => {
      if (!question.readers.delete(onNews)) return;
      this.leave();
      wake();
      if (question.readers.size > 0) return;
      question.timer?.cancel();
      if (this.#questions.get(reader.key) === question) this.#questions.delete(reader.key);
    };
    question.readers.add(onNews);
    if (question.readers.size === 1) this.#arm(reader.key, question);
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          while (question.readers.has(onNews)) {
            if (!reader.holds()) {
              end();
              return controller.close();
            }
            const now = this.#clock.now();
            if (seen !== question.version || now - saidAt >= commentMs) {
              const text = seen === question.version ? ": still here\n\n" : eventText("change", question.text);
              seen = question.version;
              saidAt = now;
              return controller.enqueue(encoder.encode(text));
            }
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        },
        cancel: end,
      },
      { highWaterMark: 0 },
    );
  }
}

/** `data` is one line: JSON has no line breaks. */
export function eventText(event: string, data: string, id?: string): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
}

export function eventsResponse(body: ReadableStream<Uint8Array>): Response {
  return new Response(body, {
    headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no" },
  });
}
