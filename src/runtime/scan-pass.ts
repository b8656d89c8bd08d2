/**
 * One pass over the log: the readers that it serves, by filter, and what it holds for them until it is handed out.
 *
 * Does no reading by itself. Owns: a reader is given every record that its filter matches after its place, in order,
 * within the bounds of its page; readers of one filter share one list.
 * @module
 */
import { recordBytes } from "../protocol/frame.ts";
import type { Seq } from "../protocol/ids.ts";
import { TopicTrie } from "../protocol/topic-trie.ts";
import type { LogRecord, ReadPage } from "./log/event-log.ts";

/** As EventLog.read has it, forward. */
export type ScanRequest = {
  readonly filter: string;
  readonly after: Seq;
  readonly until: Seq;
  readonly recordsMax: number;
  readonly bytesMax: number;
  /** False: whoever asked does not need the page any more. */
  isWanted(): boolean;
};

export type Waiting = {
  readonly request: ScanRequest;
  /** Nothing up to here matches. */
  passed: Seq;
  readonly resolve: (page: ReadPage) => void;
  readonly reject: (error: unknown) => void;
};

export const everything = ">";

type Group = {
  readonly filter: string;
  readonly readers: Set<Waiting>;
  /** Everything that matches after this place, up to the pass's, is found. */
  since: Seq;
  found: LogRecord[];
  bytes: number;
};
/** Readers that are given their pages before other work comes in between. */
const handedOutAtOnce = 64;
/** Topics whose groups are remembered; more than this and the memory starts anew. */
const routesMax = 65_536;

export class ScanPass {
  /** Everything up to here was read. */
  at: Seq;
  /** As far as somebody asks. */
  until: Seq;
  /** Readers that it serves. */
  size = 0;
  /** Of what was found and is held. */
  bytes = 0;
  /** Records of which that is what matched. */
  seen = 0;
  readonly #groups = new Map<string, Group>();
  readonly #trie = new TopicTrie<Group>();
  readonly #routes = new Map<string, readonly Group[]>();
  /** The log ended at the pass's place for whoever asks up to here. */
  #ended: Seq = 0;

  constructor(at: Seq) {
    this.at = at;
    this.until = at;
  }

  /** False: the pass has been by its place, and holds nothing for it any more. */
  join(reader: Waiting): boolean {
    const { filter, until } = reader.request;
    let group = this.#groups.get(filter);
    if (reader.passed < (group?.since ?? this.at)) return false;
    if (group === undefined) {
      group = { filter, readers: new Set(), since: this.at, found: [], bytes: 0 };
      this.#groups.set(filter, group);
      this.#trie.add(filter, group);
      this.#routes.clear();
    }
    group.readers.add(reader);
    this.size++;
    this.until = Math.max(this.until, until);
    return true;
  }

  /** All that are left, where the pass ends. */
  leave(): Waiting[] {
    const left: Waiting[] = [];
    for (const { readers } of this.#groups.values()) {
      for (const reader of readers) {
        reader.passed = Math.max(reader.passed, this.at);
        left.push(reader);
      }
    }
    this.#groups.clear();
    this.size = 0;
    return left;
  }

  /** Of all its readers' filters together, as far as it is known. */
  density(known: (filter: string) => number): number {
    let density = 0;
    for (const { filter, readers } of this.#groups.values()) density += readers.size * known(filter);
    return density;
  }

  /** The next stretch of the log, which was asked for up to `asked`. */
  take({ records, scannedTo, done }: ReadPage, asked: Seq): void {
    for (const record of records) {
      const groups = this.#route(record.topic);
      if (groups.length === 0) continue;
      const size = recordBytes(record);
      this.bytes += size;
      for (const group of groups) {
        group.found.push(record);
        group.bytes += size;
      }
    }
    this.seen += records.length;
    this.at = Math.max(this.at, scannedTo);
    if (done) this.#ended = asked;
  }

  /** Gives what was found to all for whom something was. */
  handOut(pause: () => Promise<void>): Promise<void> {
    return this.#give(() => true, pause);
  }

  /** To those alone who ask for nothing further, or for nothing at all any more. */
  handOutLast(pause: () => Promise<void>): Promise<void> {
    return this.#give((reader) => this.#isLastFor(reader) || !reader.request.isWanted(), pause);
  }

  async #give(isDue: (reader: Waiting) => boolean, pause: () => Promise<void>): Promise<void> {
    let given = 0;
    for (const group of this.#groups.values()) {
      for (const reader of group.readers) {
        const page = isDue(reader) ? this.#pageFor(reader, group) : undefined;
        if (page === undefined) continue;
        group.readers.delete(reader);
        this.size--;
        reader.resolve(page);
        if (++given % handedOutAtOnce === 0) await pause();
      }
    }
  }

  /** Holds nothing any more; answers what part of the records each filter matched. */
  clear(): (readonly [filter: string, density: number])[] {
    const densities: [string, number][] = [];
    for (const group of [...this.#groups.values()]) {
      densities.push([group.filter, group.found.length / Math.max(1, this.at - group.since)]);
      Object.assign(group, { since: this.at, found: [], bytes: 0 });
      if (group.readers.size > 0) continue;
      this.#groups.delete(group.filter);
      this.#trie.remove(group.filter, group);
      this.#routes.clear();
    }
    this.bytes = 0;
    this.seen = 0;
    return densities;
  }

  #isLastFor({ request: { until } }: Waiting): boolean {
    return until <= Math.max(this.at, this.#ended);
  }

  /** Undefined: nothing for it yet. */
  #pageFor(reader: Waiting, group: Group): ReadPage | undefined {
    const { request, passed } = reader;
    if (!request.isWanted()) return unwanted(reader);
    const isLast = this.#isLastFor(reader);
    const found = foundFor(group, passed, request.until);
    if (found.length === 0 && !isLast) return undefined;
    const records = fitting(found, group.bytes, request);
    if (records.length < found.length) return { records, scannedTo: (records.at(-1) as LogRecord).seq, done: false };
    return { records, scannedTo: Math.max(passed, Math.min(request.until, this.at)), done: isLast };
  }

  #route(topic: string): readonly Group[] {
    let groups = this.#routes.get(topic);
    if (groups === undefined) {
      if (this.#routes.size >= routesMax) this.#routes.clear();
      groups = this.#trie.match(topic);
      this.#routes.set(topic, groups);
    }
    return groups;
  }
}

function foundFor({ found }: Group, after: Seq, until: Seq): readonly LogRecord[] {
  const [first, last] = [found[0], found[found.length - 1]];
  if (first === undefined || last === undefined || (first.seq > after && last.seq <= until)) return found;
  return found.filter(({ seq }) => seq > after && seq <= until);
}

/** At least one, even if it is larger than the page. */
function fitting(found: readonly LogRecord[], bytesAtMost: number, { recordsMax, bytesMax }: ScanRequest) {
  if (found.length <= recordsMax && bytesAtMost <= bytesMax) return found;
  let bytes = 0;
  let count = 0;
  for (const record of found) {
    bytes += recordBytes(record);
    if (count >= recordsMax || (count > 0 && bytes > bytesMax)) break;
    count++;
  }
  return found.slice(0, count);
}

/** For whoever does not need it any more. */
export function unwanted({ passed }: Waiting): ReadPage {
  return { records: [], scannedTo: passed, done: false };
}
