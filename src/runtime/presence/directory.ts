/**
 * Who is present on which topic, as this node knows it: what it tracks itself, and what each other node says of its own.
 * Where two nodes have the same session, the one that owns it later is believed.
 *
 * Pure: no clock, no bus. Owns: whatever order things come in, the same entries show the same members on every node.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";

/** One process that tracks members: what it says has a number, and each number says all before it. */
export type PresenceSource = {
  readonly node: string;
  readonly incarnation: string;
  /** Everything up to this change of its is known. */
  version: number;
  /** Entries of it. */
  count: number;
};

export type PresenceEntry = {
  readonly topic: string;
  readonly session: string;
  readonly subject: string;
  readonly data: Uint8Array | undefined;
  readonly since: EpochMs;
  /** Of the session, when this was said: counts its owners. */
  readonly owner: number;
  /** The source's number of this change. */
  readonly version: number;
  readonly source: PresenceSource;
};

/** What is shown of a session on a topic is now `after`; undefined: it is not there. */
export type OnShown = (topic: string, session: string, after: PresenceEntry | undefined) => void;

export type PresenceRange = { readonly cursor?: string; readonly limit: number; readonly bytesMax: number };
export type PresencePage = {
  readonly total: number;
  readonly members: readonly PresenceEntry[];
  /** Of the next page; absent at the end. */
  readonly next?: string;
};

type Topic = {
  /** By session: what is shown. */
  readonly shown: Map<string, PresenceEntry>;
  /** Of the sessions that several sources have: the others. */
  readonly hidden: Map<string, PresenceEntry[]>;
  /** Sessions in their order, made when somebody asks. */
  sorted: readonly string[] | undefined;
};

/** Of an entry on the wire, besides its texts and data. */
const entryOverheadBytes = 64;

export class Directory {
  readonly #topics = new Map<string, Topic>();
  readonly #onShown: OnShown;
  #total = 0;

  constructor(onShown: OnShown) {
    this.#onShown = onShown;
  }

  /** Members of all topics. */
  get total(): number {
    return this.#total;
  }
  get topics(): number {
    return this.#topics.size;
  }

  count(topic: string): number {
    return this.#topics.get(topic)?.shown.size ?? 0;
  }

  shown(topic: string, session: string): PresenceEntry | undefined {
    return this.#topics.get(topic)?.shown.get(session);
  }

  /** What this source says of it. */
  of(source: PresenceSource, topic: string, session: string): PresenceEntry | undefined {
    return this.#all(topic, session).find((entry) => entry.source === source);
  }

  *entriesOf(source: PresenceSource): Iterable<PresenceEntry> {
    for (const { shown, hidden } of this.#topics.values()) {
      for (const entry of shown.values()) if (entry.source === source) yield entry;
      for (const entries of hidden.values()) for (const entry of entries) if (entry.source === source) yield entry;
    }
  }

  /** In the place of what its source said of it before, unless that is newer. */
  set(entry: PresenceEntry): void {
    const { topic, session, source } = entry;
    const before = this.of(source, topic, session);
    if (before !== undefined && before.version >= entry.version) return;
    if (before === undefined) source.count++;
    this.#show(topic, session, [...this.#all(topic, session).filter((other) => other.source !== source), entry]);
  }

  /** Unless its source said something newer of it. */
  remove(source: PresenceSource, topic: string, session: string, version: number): void {
    const before = this.of(source, topic, session);
    if (before === undefined || before.version >= version) return;
    source.count--;
    this.#show(
      topic,
      session,
      this.#all(topic, session).filter((other) => other !== before),
    );
  }

  /** All that it said. */
  drop(source: PresenceSource): void {
    for (const { topic, session } of [...this.entriesOf(source)])
      this.remove(source, topic, session, Number.POSITIVE_INFINITY);
  }

  page(name: string, { cursor, limit, bytesMax }: PresenceRange): PresencePage {
    const topic = this.#topics.get(name);
    if (topic === undefined) return { total: 0, members: [] };
    topic.sorted ??= [...topic.shown.keys()].sort();
    const { sorted, shown } = topic;
    const members: PresenceEntry[] = [];
    let bytes = 0;
    let at = cursor === undefined ? 0 : firstAfter(sorted, cursor);
    for (; at < sorted.length && members.length < limit; at++) {
      const entry = shown.get(sorted[at] as string) as PresenceEntry;
      bytes += entryBytes(entry);
      if (members.length > 0 && bytes > bytesMax) break;
      members.push(entry);
    }
    const next = at < sorted.length ? members.at(-1)?.session : undefined;
    return { total: shown.size, members, ...(next === undefined ? {} : { next }) };
  }

  #all(name: string, session: string): readonly PresenceEntry[] {
    const topic = this.#topics.get(name);
    const first = topic?.shown.get(session);
    if (topic === undefined || first === undefined) return [];
    return [first, ...(topic.hidden.get(session) ?? [])];
  }

  #show(name: string, session: string, entries: PresenceEntry[]): void {
    const topic = this.#topics.get(name) ?? newTopic();
    const before = topic.shown.get(session);
    const [after, ...hidden] = entries.sort(laterOwnerFirst);
    if (after === undefined) topic.shown.delete(session);
    else topic.shown.set(session, after);
    if (hidden.length === 0) topic.hidden.delete(session);
    else topic.hidden.set(session, hidden);
    if ((before === undefined) !== (after === undefined)) {
      topic.sorted = undefined;
      this.#total += after === undefined ? -1 : 1;
    }
    if (topic.shown.size === 0) this.#topics.delete(name);
    else this.#topics.set(name, topic);
    if (before === undefined || after === undefined || !looksLike(before, after)) this.#onShown(name, session, after);
  }
}

const newTopic = (): Topic => ({ shown: new Map(), hidden: new Map(), sorted: undefined });

/** Every node comes to the same order. */
function laterOwnerFirst(a: PresenceEntry, b: PresenceEntry): number {
  if (a.owner !== b.owner) return b.owner - a.owner;
  const [left, right] = [`${a.source.node}/${a.source.incarnation}`, `${b.source.node}/${b.source.incarnation}`];
  return left < right ? -1 : 1;
}

function looksLike(a: PresenceEntry, b: PresenceEntry): boolean {
  return a.subject === b.subject && a.since === b.since && sameBytes(a.data, b.data);
}

export function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i]);
}

/** About so many on a wire. */
export function entryBytes({ topic, session, subject, data }: Omit<PresenceEntry, "source">): number {
  return entryOverheadBytes + topic.length + session.length + 3 * subject.length + (data?.byteLength ?? 0);
}

function firstAfter(sorted: readonly string[], cursor: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) <= cursor) low = middle + 1;
    else high = middle;
  }
  return low;
}
