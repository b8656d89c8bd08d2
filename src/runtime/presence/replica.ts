/**
 * What another node says of its members, as far as it is known here. A change is taken when everything before it is
 * known; else there is a hole, and it is asked for.
 *
 * Pure. The rule of deliveries (protocol/position.ts), for another log: `to ≤ version` seen · `from ≤ version < to` taken ·
 * `version < from` a hole.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Directory, PresenceSource } from "./directory.ts";
import type { Answer, Ask, Delta, Head, SaidSet } from "./spread-message.ts";

/** A new beginning under way: everything there is, page by page. */
type Anew = { readonly began: number; upTo: number; readonly set: Map<string, SaidSet> };

export class Replica {
  readonly source: PresenceSource;
  /** Nobody hears of its node since then. */
  lostAt: EpochMs | undefined;
  /** A question to it is under way. */
  asking = false;
  readonly #directory: Directory;
  /** How far it is, as it said itself. */
  #heard = 0;
  #anew: Anew | undefined;
  /** What it said does not add up. */
  #doubtful = false;

  constructor(directory: Directory, { node, incarnation }: { readonly node: string; readonly incarnation: string }) {
    this.#directory = directory;
    this.source = { node, incarnation, version: 0, count: 0 };
  }

  /** There is more than is known here. */
  get behind(): boolean {
    return this.#heard > this.source.version || this.#doubtful;
  }

  /** What to ask it for. */
  get ask(): Ask {
    if (this.#anew !== undefined) return { kind: "ask", since: this.#anew.upTo, began: this.#anew.began };
    return { kind: "ask", since: this.#doubtful ? -1 : this.source.version };
  }

  heardHead({ to, count }: Head): void {
    this.#heard = Math.max(this.#heard, to);
    if (to === this.source.version && count !== this.source.count && !this.asking) this.#doubtful = true;
  }

  heardDelta(delta: Delta): void {
    this.#heard = Math.max(this.#heard, delta.to);
    if (this.#anew === undefined && delta.from <= this.source.version) this.#take(delta);
  }

  heardAnswer(answer: Answer): void {
    this.#heard = Math.max(this.#heard, answer.to);
    const { began } = answer;
    if (began === undefined) {
      this.#anew = undefined;
      return this.#take(answer);
    }
    // The first page of everything, perhaps of another beginning than the one that was under way.
    if (this.#anew === undefined || answer.from === 0) this.#anew = { began, upTo: 0, set: new Map() };
    const anew = this.#anew;
    for (const said of answer.set) anew.set.set(keyOf(said[0], said[1]), said);
    for (const [topic, session, version] of answer.gone)
      if ((anew.set.get(keyOf(topic, session))?.[5] ?? version) < version) anew.set.delete(keyOf(topic, session));
    anew.upTo = answer.to;
    if (answer.done) this.#replace(anew);
  }

  #take({ to, set, gone }: Pick<Delta, "to" | "set" | "gone">): void {
    if (to <= this.source.version) return;
    for (const said of set) this.#set(said);
    for (const [topic, session, version] of gone) this.#directory.remove(this.source, topic, session, version);
    this.source.version = to;
  }

  #replace({ upTo, set }: Anew): void {
    this.#anew = undefined;
    this.#doubtful = false;
    for (const { topic, session } of [...this.#directory.entriesOf(this.source)])
      if (!set.has(keyOf(topic, session)))
        this.#directory.remove(this.source, topic, session, Number.POSITIVE_INFINITY);
    for (const said of set.values()) this.#set(said);
    this.source.version = Math.max(this.source.version, upTo);
  }

  #set([topic, session, subject, since, owner, version, data]: SaidSet): void {
    const { source } = this;
    this.#directory.set({ topic, session, subject, since, owner, version, data: data ?? undefined, source });
  }

  /** Its members are not there any more. */
  drop(): void {
    this.#directory.drop(this.source);
  }
}

const keyOf = (topic: string, session: string): string => `${topic} ${session}`;
