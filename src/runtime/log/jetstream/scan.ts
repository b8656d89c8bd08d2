/**
 * Finds what producers have stored after their checkpoints, by reading the log's headers. Questions that come together
 * share one reading: after a node was lost, many sessions ask at once.
 * @module
 */
import type { Seq } from "../../../protocol/ids.ts";
import type { Clock } from "../../ports.ts";
import type { Api, Stored } from "./api.ts";
import { followUntil } from "./follow-until.ts";
import { header } from "./headers.ts";
import { numberOf } from "./records.ts";
import { encodeToken, type Names, type Subjects } from "./subjects.ts";

export type Question = {
  readonly name: string;
  readonly life: number;
  /** Stored for sure. */
  readonly mark: number;
  /** Everything of it up to this seq is in `mark`. */
  readonly after: Seq;
};
export type Found = {
  readonly mark: number | undefined;
  readonly upTo: Seq;
  readonly ahead: Map<number, Seq>;
};

type Asked = Question & {
  readonly numbers: Map<number, { readonly seq: Seq; readonly after: number }>;
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
};

const gatherMs = 20;

export type ScanParts = {
  readonly api: Api;
  readonly clock: Clock;
  readonly names: Names;
  readonly subjects: Subjects;
};

export class Scan {
  readonly #parts: ScanParts;
  #asked: Asked[] = [];

  constructor(parts: ScanParts) {
    this.#parts = parts;
  }

  find(question: Question): Promise<Found> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ ...question, numbers: new Map(), resolve, reject });
      if (this.#asked.length > 1) return;
      this.#parts.clock.after(gatherMs, () => {
        const asked = this.#asked;
        this.#asked = [];
        this.#read(asked).catch((error: unknown) => {
          for (const { reject: fail } of asked) fail(error);
        });
      });
    });
  }

  async #read(asked: readonly Asked[]): Promise<void> {
    const { api, names, subjects } = this.#parts;
    const until = (await api.last(names.records, subjects.allTopics))?.seq ?? 0;
    const after = Math.min(...asked.map((question) => question.after));
    const byName = new Map<string, Asked[]>();
    for (const question of asked) {
      const token = encodeToken(question.name);
      byName.set(token, [...(byName.get(token) ?? []), question]);
    }
    if (after < until) await this.#readFrom(after, until, (message) => note(byName, message));
    for (const question of asked) question.resolve(conclude(question, until));
  }

  #readFrom(after: Seq, until: Seq, onMessage: (message: Stored) => void): Promise<void> {
    const { api, clock, names, subjects } = this.#parts;
    const range = { stream: names.records, filters: [subjects.allTopics], after, headersOnly: true };
    return followUntil(api, clock, range, (message) => {
      if (message.seq <= until) onMessage(message);
      return message.seq >= until;
    });
  }
}

function note(asked: ReadonlyMap<string, readonly Asked[]>, { seq, headers }: Stored): void {
  const id = headers?.get(header.id) ?? "";
  for (const question of asked.get(id.slice(0, Math.max(0, id.lastIndexOf("/")))) ?? []) {
    const number = seq <= question.after ? undefined : numberOf(id, question.name, question.life);
    if (number === undefined) continue;
    question.numbers.set(number, { seq, after: Number(headers?.get(header.after) || number - 1) });
  }
}

/** The mark goes up as long as each number's predecessor is stored; what lies beyond a hole is `ahead`. */
function conclude({ mark: from, numbers }: Asked, upTo: Seq): Found {
  let mark = from;
  const ahead = new Map<number, Seq>();
  for (const number of [...numbers.keys()].sort((a, b) => a - b)) {
    const { seq, after } = numbers.get(number) as { seq: Seq; after: number };
    if (number <= mark) continue;
    if (after <= mark && ahead.size === 0) mark = number;
    else ahead.set(number, seq);
  }
  return { mark: mark === 0 ? undefined : mark, upTo, ahead };
}
