/**
 * What this node says of its own members: each change has a number, and whoever knows everything up to a number asks for
 * what came after it. Members that went are remembered for a while; who was away for longer is told everything anew.
 *
 * Pure. Owns: what is said up to a number is all that happened up to it.
 * @module
 */
import { type Directory, entryBytes, type PresenceEntry, type PresenceSource } from "./directory.ts";
import type { Answer, Ask, Delta, SaidGone, SaidSet } from "./spread-message.ts";

type Gone = { readonly topic: string; readonly session: string; readonly version: number };
/** One change: what is there now, or that nothing is. */
type Change = { readonly version: number; readonly entry?: PresenceEntry; readonly gone?: Gone };
export type OwnMember = Pick<PresenceEntry, "topic" | "session" | "subject" | "data" | "since" | "owner">;

const goneMax = 4_096;
const changesPerMessage = 1_000;
const goneBytes = 32;

export class OwnChanges {
  readonly source: PresenceSource;
  readonly #directory: Directory;
  /** In the order of their changes. */
  readonly #entries = new Set<PresenceEntry>();
  #gone: Gone[] = [];
  /** Of what went up to this change, nothing may be remembered any more. */
  #forgotUpTo = 0;
  /** By topic and session: its newest change is not told yet. */
  readonly #untold = new Map<string, Change>();
  #toldUpTo = 0;

  constructor(directory: Directory, { node, incarnation }: { readonly node: string; readonly incarnation: string }) {
    this.#directory = directory;
    this.source = { node, incarnation, version: 0, count: 0 };
  }

  get untold(): boolean {
    return this.#untold.size > 0;
  }

  set(member: OwnMember): void {
    const before = this.#directory.of(this.source, member.topic, member.session);
    const entry = { ...member, version: ++this.source.version, source: this.source };
    if (before !== undefined) this.#entries.delete(before);
    this.#entries.add(entry);
    this.#directory.set(entry);
    this.#change(member, { version: entry.version, entry });
  }

  remove(topic: string, session: string): void {
    const before = this.#directory.of(this.source, topic, session);
    if (before === undefined) return;
    this.#entries.delete(before);
    const gone = { topic, session, version: ++this.source.version };
    this.#directory.remove(this.source, topic, session, gone.version);
    this.#gone.push(gone);
    // Half at once, so that it costs nothing each time.
    if (this.#gone.length > 2 * goneMax) {
      this.#gone = this.#gone.slice(goneMax);
      this.#forgotUpTo = (this.#gone[0] as Gone).version - 1;
    }
    this.#change(gone, { version: gone.version, gone });
  }

  /** What was not told yet, in messages of a bounded size. */
  *takeUntold(bytesMax: number): Iterable<Delta> {
    const changes = [...this.#untold.values()].sort((a, b) => a.version - b.version);
    this.#untold.clear();
    if (changes.length === 0) return;
    for (const { said, done } of cut(changes, bytesMax)) {
      const to = done ? this.source.version : (said.at(-1) as Change).version;
      yield { kind: "delta", ...this.#speaker(), from: this.#toldUpTo, to, ...saidOf(said) };
      this.#toldUpTo = to;
    }
  }

  answer({ since, began }: Ask, bytesMax: number): Answer {
    const isWhole = (began ?? since) < this.#forgotUpTo;
    const from = isWhole ? 0 : since;
    const start = isWhole ? this.source.version : began;
    // Who begins from nothing holds nothing that went before.
    const changes = this.#changesAfter(from, Math.max(from, start ?? 0));
    const [first] = cut(changes, bytesMax);
    const { said, done } = first as Cut;
    const to = done ? this.source.version : (said.at(-1) as Change).version;
    const answer = { kind: "answer", ...this.#speaker(), from, to, ...saidOf(said), done } as const;
    return start === undefined ? answer : { ...answer, began: start };
  }

  /** In their order. */
  *#changesAfter(version: number, goneAfter: number): Iterable<Change> {
    let next = this.#gone.findIndex((gone) => gone.version > goneAfter);
    if (next < 0) next = this.#gone.length;
    for (const entry of this.#entries) {
      if (entry.version <= version) continue;
      for (; (this.#gone[next]?.version ?? Number.POSITIVE_INFINITY) < entry.version; next++)
        yield changeOf(this.#gone[next] as Gone);
      yield { version: entry.version, entry };
    }
    for (; next < this.#gone.length; next++) yield changeOf(this.#gone[next] as Gone);
  }

  #speaker() {
    return { node: this.source.node, incarnation: this.source.incarnation };
  }

  #change({ topic, session }: Pick<OwnMember, "topic" | "session">, change: Change): void {
    this.#untold.set(`${topic} ${session}`, change);
  }
}

const changeOf = (gone: Gone): Change => ({ version: gone.version, gone });
/** `done`: these are the last. */
type Cut = { readonly said: readonly Change[]; readonly done: boolean };

/** As many at a time as one message holds; once at least. */
function* cut(changes: Iterable<Change>, bytesMax: number): Iterable<Cut> {
  let said: Change[] = [];
  let bytes = 0;
  for (const change of changes) {
    const { entry, gone } = change;
    const more = entry === undefined ? goneBytes + (gone?.topic.length ?? 0) * 3 : entryBytes(entry);
    if (said.length >= changesPerMessage || (said.length > 0 && bytes + more > bytesMax)) {
      yield { said, done: false };
      said = [];
      bytes = 0;
    }
    said.push(change);
    bytes += more;
  }
  yield { said, done: true };
}

function saidOf(changes: readonly Change[]): { readonly set: readonly SaidSet[]; readonly gone: readonly SaidGone[] } {
  const set: SaidSet[] = [];
  const went: SaidGone[] = [];
  for (const { entry, gone } of changes) {
    if (gone !== undefined) went.push([gone.topic, gone.session, gone.version]);
    if (entry === undefined) continue;
    const { topic, session, subject, since, owner, version, data } = entry;
    set.push([topic, session, subject, since, owner, version, data ?? null]);
  }
  return { set, gone: went };
}
