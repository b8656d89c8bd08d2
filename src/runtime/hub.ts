/**
 * What a node knows of its own connections: one follower of the log, the feeds of the filters that somebody
 * here subscribes, and the sweep that finds receivers that stopped acknowledging.
 * @module
 */
import { assert } from "../protocol/assert.ts";
import type { Seq } from "../protocol/ids.ts";
import { TopicTrie } from "../protocol/topic-trie.ts";
import { Feed, type FeedOutput, type FrameBounds } from "./feed.ts";
import type { EventLog, Follow, LogRecord } from "./log/event-log.ts";
import type { Clock } from "./ports.ts";
import { type RecentBounds, RecentRecords } from "./recent-records.ts";
import { SharedScan } from "./shared-scan.ts";

export type HubOptions = {
  readonly clock: Clock;
  readonly output: FeedOutput;
  readonly frame: FrameBounds;
  readonly recent: RecentBounds;
  /** Called before anything is fanned out. */
  readonly look: () => void;
};

/** Topics whose feeds are remembered; more than this and the memory starts anew. */
const routesMax = 65_536;

export class Hub {
  readonly #log: EventLog;
  readonly #options: HubOptions;
  readonly #feeds = new Map<string, { readonly feed: Feed; users: number }>();
  readonly #trie = new TopicTrie<Feed>();
  readonly #routes = new Map<string, readonly Feed[]>();
  readonly #touched = new Set<Feed>();
  /** Feeds with news for who only watches. */
  readonly #watched = new Set<Feed>();
  readonly recent: RecentRecords;
  /** For readers that are behind what is recent. */
  readonly scan: SharedScan;
  readonly #waiting = new Set<{ readonly seq: Seq; readonly wake: () => void }>();
  #follow: Follow | undefined;
  #feedNumber = 0;
  /** Pages that readers took since the start: from the ring of recent records, and from the log. */
  readonly pages = { ring: 0, log: 0 };
  /** Everything up to here has been fanned out. */
  position: Seq;

  constructor(log: EventLog, options: HubOptions) {
    this.#log = log;
    this.#options = options;
    this.position = log.info().lastSeq;
    this.recent = new RecentRecords(this.position, options.recent);
    this.scan = new SharedScan({ log, recent: this.recent, clock: options.clock });
  }

  start(): void {
    assert(this.#follow === undefined, "a hub is started once");
    this.#follow = this.#log.follow(
      this.position,
      (records) => this.#fanOut(records),
      (firstSeq) => this.#trimmed(firstSeq),
    );
  }

  stop(): void {
    this.#follow?.stop();
  }

  get feedCount(): number {
    return this.#feeds.size;
  }
  feeds(): Iterable<Feed> {
    return Array.from(this.#feeds.values(), (held) => held.feed);
  }

  /** The feed of a filter, made when needed. Each `use` is given back by one `release`. */
  use(filter: string): Feed {
    let held = this.#feeds.get(filter);
    if (held === undefined) {
      held = { feed: new Feed(filter, ++this.#feedNumber, this.#options.output, this.#options.frame), users: 0 };
      this.#feeds.set(filter, held);
      this.#trie.add(filter, held.feed);
      this.#routes.clear();
    }
    held.users++;
    return held.feed;
  }

  release(feed: Feed): void {
    const held = this.#feeds.get(feed.filter);
    assert(held !== undefined && held.feed === feed, `feed of ${feed.filter} is released once per use`);
    if (--held.users > 0) return;
    this.#feeds.delete(feed.filter);
    this.#trie.remove(feed.filter, feed);
    this.#routes.clear();
  }

  #fanOut(records: readonly LogRecord[]): void {
    this.#options.look();
    for (const record of records) {
      this.recent.push(record);
      for (const feed of this.#route(record.topic)) {
        if (feed.watchers !== undefined) this.#watched.add(feed);
        if (feed.liveCount === 0) continue;
        feed.push(record);
        this.#touched.add(feed);
      }
    }
    for (const feed of this.#touched) feed.flush();
    this.#touched.clear();
    const last = records[records.length - 1];
    if (last !== undefined) this.#moveTo(last.seq);
  }

  #moveTo(seq: Seq): void {
    this.position = seq;
    for (const waiting of this.#waiting) {
      if (waiting.seq > this.position) continue;
      this.#waiting.delete(waiting);
      waiting.wake();
    }
    for (const { watchers = [] } of this.#watched) for (const wake of watchers) wake();
    this.#watched.clear();
  }

  /** Calls back whenever records that match have been fanned out, once for all of a turn; answers how to stop. */
  watch(filter: string, wake: () => void): () => void {
    const feed = this.use(filter);
    feed.watchers ??= new Set();
    feed.watchers.add(wake);
    return () => {
      feed.watchers?.delete(wake);
      this.release(feed);
    };
  }

  /** Retention was faster than this node: what is live reads the log from where it stands, and is told there. */
  #trimmed(firstSeq: Seq): void {
    this.recent.restart(firstSeq - 1);
    for (const { feed } of this.#feeds.values()) feed.fallBehind();
    this.#moveTo(Math.max(this.position, firstSeq - 1));
  }

  /** Calls back once, when everything up to `seq` has been fanned out; answers how to give up. */
  whenAt(seq: Seq, wake: () => void): () => void {
    const waiting = { seq, wake };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }

  #route(topic: string): readonly Feed[] {
    let feeds = this.#routes.get(topic);
    if (feeds === undefined) {
      if (this.#routes.size >= routesMax) this.#routes.clear();
      feeds = this.#trie.match(topic);
      this.#routes.set(topic, feeds);
    }
    return feeds;
  }
}
