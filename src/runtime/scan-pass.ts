/**
 * One pass over the log: the readers that it serves, by filter, and what each of them is given of a stretch.
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

type Group = { readonly filter: string; readonly readers: Set<Waiting>; found: LogRecord[]; bytes: number };
/** Readers that are given their pages before other work comes in between. */
const handedOutAtOnce = 128;
/** Topics whose groups are remembered; more than this and the memory starts anew. */
const routesMax = 65_536;

export class ScanPass {
  /** Everything up to here was handed out. */
  at: Seq;
  /** As far as somebody asks. */
  until: Seq;
  size = 0;
  readonly #groups = new Map<string, Group>();
  readonly #trie = new TopicTrie<Group>();
  readonly #routes = new Map<string, readonly Group[]>();

  constructor(at: Seq) {
    this.at = at;
    this.until = at;
  }

  join(reader: Waiting): void {
    const { filter, until } = reader.request;
    let group = this.#groups.get(filter);
    if (group === undefined) {
      group = { filter, readers: new Set(), found: [], bytes: 0 };
      this.#groups.set(filter, group);
      this.#trie.add(filter, group);
      this.#routes.clear();
    }
    group.readers.add(reader);
    this.size++;
    this.until = Math.max(this.until, until);
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

  /** Finds who matches what; answers how much each filter did. */
  *find({ records }: ReadPage): Iterable<readonly [filter: string, count: number]> {
    for (const record of records) {
      for (const group of this.#route(record.topic)) {
        group.found.push(record);
        group.bytes += recordBytes(record);
      }
    }
    for (const { filter, found } of this.#groups.values()) yield [filter, found.length];
  }

  /** Gives what was found in the stretch up to where it was `asked` for to those who match something, or are at their end. */
  async handOut(stretch: ReadPage, asked: Seq, pause: () => Promise<void>): Promise<void> {
    let handedOut = 0;
    for (const group of this.#groups.values()) {
      for (const reader of group.readers) {
        const page = reader.request.isWanted() ? pageOf(reader, group, { stretch, asked }) : unwanted(reader);
        if (page === undefined) continue;
        this.#remove(group, reader);
        reader.resolve(page);
        if (++handedOut % handedOutAtOnce === 0) await pause();
      }
      group.found = [];
      group.bytes = 0;
    }
    this.at = Math.max(this.at, stretch.scannedTo);
  }

  #remove(group: Group, reader: Waiting): void {
    group.readers.delete(reader);
    this.size--;
    if (group.readers.size > 0) return;
    this.#groups.delete(group.filter);
    this.#trie.remove(group.filter, group);
    this.#routes.clear();
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

/** Undefined: nothing for it in this stretch, and it is not at its end. */
function pageOf(
  { request, passed }: Waiting,
  group: Group,
  { stretch, asked }: { readonly stretch: ReadPage; readonly asked: Seq },
): ReadPage | undefined {
  const { until } = request;
  const isLast = until <= stretch.scannedTo || (stretch.done && until <= asked);
  const found = foundFor(group, passed, until);
  if (found.length === 0 && !isLast) return undefined;
  const records = fitting(found, group.bytes, request);
  if (records.length < found.length) return { records, scannedTo: (records.at(-1) as LogRecord).seq, done: false };
  return { records, scannedTo: Math.max(passed, Math.min(until, stretch.scannedTo)), done: isLast };
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
