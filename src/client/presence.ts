/**
 * Who is here: tells that this client is, asks who is, and watches who comes and goes (`weir/client/presence`).
 *
 * Owns: what is tracked and watched is said again on every connection, so a reconnect is nothing that anybody notices; a
 * watcher hears the difference, not everything anew.
 * @module
 */
import type {
  Presence as Ask,
  PresenceChanged,
  PresenceMember,
  Presences,
  Tracked,
} from "../protocol/feature-frame.ts";
import type { ErrorFrame, Frame } from "../protocol/frame.ts";
import { presenceFrames } from "../protocol/presence-shape.ts";
import type { Client } from "./api.ts";
import type { WeirError } from "./errors.ts";
import type { Extension, ExtensionHost } from "./extensions.ts";
import { Member } from "./presence-member.ts";
import { type PresenceHandlers, type PresenceWatch, Watch } from "./presence-watch.ts";

export { Member } from "./presence-member.ts";
export type { PresenceHandlers, PresenceWatch } from "./presence-watch.ts";

export type PresenceList = { readonly total: number; readonly members: readonly Member[] };

export type Presence = {
  /**
   * This client is on the topic, until `untrack` or its end. `data` is what others are shown: bytes as they are, anything
   * else as JSON. Again changes it. Resolves when the gateway shows it.
   */
  track(topic: string, data?: unknown): Promise<void>;
  untrack(topic: string): Promise<void>;
  /** Everybody who is there now, this client too; at most `limit`. */
  list(topic: string, options?: { readonly limit?: number }): Promise<PresenceList>;
  watch(topic: string, handlers?: PresenceHandlers): PresenceWatch;
};

/** Of a client one; asked for again it is the same. */
export function presence(client: Client): Presence {
  return client.extend("presence", (host) => new LivePresence(host));
}

type Waiter = { readonly resolve: () => void; readonly reject: (error: WeirError) => void };
type Track = { readonly data: Uint8Array | undefined; waiters: Waiter[] };
type Listing = {
  readonly topic: string;
  readonly limit: number;
  members: Member[];
  readonly resolve: (list: PresenceList) => void;
  readonly reject: (error: WeirError) => void;
};
/** What the answer to a frame of ours is for. */
type Asked =
  | { readonly kind: "track"; readonly topic: string }
  | { readonly kind: "untrack"; readonly waiter: Waiter }
  | { readonly kind: "list"; readonly listing: Listing }
  | { readonly kind: "watch"; readonly watch: Watch };

/** Members of one page. */
const pageMax = 500;

class LivePresence implements Presence, Extension {
  readonly frames = presenceFrames;
  readonly #host: ExtensionHost;
  readonly #tracks = new Map<string, Track>();
  readonly #watches = new Map<string, Watch>();
  readonly #listings = new Set<Listing>();
  #asked = new Map<number, Asked>();

  constructor(host: ExtensionHost) {
    this.#host = host;
  }

  // --- for the application ---

  async track(topic: string, data?: unknown): Promise<void> {
    const { payload } = this.#host.record(topic, data === undefined ? "" : data, {});
    const waiters = this.#tracks.get(topic)?.waiters ?? [];
    return await new Promise((resolve, reject) => {
      const track = { data: data === undefined ? undefined : payload, waiters: [...waiters, { resolve, reject }] };
      this.#tracks.set(topic, track);
      this.#sayTrack(topic, track);
    });
  }

  async untrack(topic: string): Promise<void> {
    const track = this.#tracks.get(topic);
    if (track === undefined) return;
    this.#tracks.delete(topic);
    for (const { resolve } of track.waiters) resolve();
    // Nobody says it again on the next connection: there it is untracked by itself.
    if (!this.#host.connected) return;
    await new Promise<void>((resolve, reject) => {
      const ref = this.#ask({ kind: "untrack", waiter: { resolve, reject } });
      this.#host.send({ type: "untrack", ref, topic });
    });
  }

  async list(topic: string, { limit = Number.POSITIVE_INFINITY } = {}): Promise<PresenceList> {
    this.#host.record(topic, "", {});
    if (!(limit >= 1))
      throw this.#host.clientError("badOption", `Option "limit" is ${limit}, expected a number from 1`);
    return await new Promise((resolve, reject) => {
      const listing = { topic, limit, members: [], resolve, reject };
      this.#listings.add(listing);
      this.#sayList(listing, undefined);
    });
  }

  watch(topic: string, handlers: PresenceHandlers = {}): PresenceWatch {
    this.#host.record(topic, "", {});
    let watch = this.#watches.get(topic);
    if (watch === undefined) {
      const { report, clientError } = this.#host;
      watch = new Watch(topic, {
        unused: () => this.#unwatch(topic),
        threw: (error) => report(clientError("handlerFailed", `A handler of presence threw: ${error}`, error)),
      });
      this.#watches.set(topic, watch);
      this.#sayWatch(watch);
    }
    return watch.join(handlers);
  }

  #unwatch(topic: string): void {
    const watch = this.#watches.get(topic);
    this.#watches.delete(topic);
    for (const [ref, asked] of this.#asked)
      if (asked.kind === "watch" && asked.watch === watch) this.#asked.delete(ref);
    if (this.#host.connected)
      this.#host.send({ type: "presence", ref: this.#host.nextRef(), topic, watch: false, limit: 1 });
  }

  // --- frames ---

  #ask(asked: Asked): number {
    const ref = this.#host.nextRef();
    this.#asked.set(ref, asked);
    return ref;
  }

  #sayTrack(topic: string, { data }: Track): void {
    if (!this.#host.connected) return;
    const ref = this.#ask({ kind: "track", topic });
    this.#host.send({ type: "track", ref, topic, ...(data === undefined ? {} : { data }) });
  }

  #sayList(listing: Listing, cursor: string | undefined): void {
    if (!this.#host.connected) return;
    const { topic, limit, members } = listing;
    this.#page(this.#ask({ kind: "list", listing }), {
      topic,
      limit: Math.min(pageMax, limit - members.length),
      cursor,
    });
  }

  #sayWatch(watch: Watch): void {
    if (!this.#host.connected) return;
    watch.begin(this.#ask({ kind: "watch", watch }));
    this.#page(watch.ref, { topic: watch.topic, watch: true, limit: pageMax, cursor: undefined });
  }

  #page(
    ref: number,
    { cursor, ...asked }: Omit<Ask, "type" | "ref" | "cursor"> & { readonly cursor: string | undefined },
  ): void {
    this.#host.send({ type: "presence", ref, ...asked, ...(cursor === undefined ? {} : { cursor }) });
  }

  frame(frame: Frame): void {
    if (frame.type === "tracked") this.#tracked(frame);
    else if (frame.type === "presences") this.#presences(frame);
    else if (frame.type === "presenceChanged") this.#changed(frame);
  }

  #tracked({ ref, topic, on }: Tracked): void {
    const asked = this.#asked.get(ref);
    this.#asked.delete(ref);
    if (asked?.kind === "untrack") return asked.waiter.resolve();
    const track = this.#tracks.get(topic);
    if (track === undefined) return;
    // Of its own accord the gateway only ends it.
    if (!on && ref === 0) {
      this.#tracks.delete(topic);
      return this.#host.report(
        this.#host.clientError("subscriptionEnded", `Presence on "${topic}" is not allowed any more`),
      );
    }
    for (const { resolve } of track.waiters.splice(0)) resolve();
  }

  #presences({ ref, members, total, next }: Presences): void {
    const asked = this.#asked.get(ref);
    const page = members.map(toMember);
    if (asked?.kind === "watch") {
      // Its first number stays: an ERROR that ends the watch bears it.
      if (ref !== asked.watch.ref) this.#asked.delete(ref);
      if (next !== undefined) this.#page(this.#ask(asked), { topic: asked.watch.topic, limit: pageMax, cursor: next });
      return asked.watch.page(page, next === undefined);
    }
    this.#asked.delete(ref);
    if (asked?.kind !== "list") return;
    const { listing } = asked;
    listing.members = [...listing.members, ...page];
    if (next !== undefined && listing.members.length < listing.limit) return this.#sayList(listing, next);
    this.#listings.delete(listing);
    listing.resolve({ total, members: listing.members });
  }

  #changed({ topic, joined, left }: PresenceChanged): void {
    this.#watches.get(topic)?.changed(joined.map(toMember), left);
  }

  refused(frame: ErrorFrame): boolean {
    const asked = frame.ref === undefined ? undefined : this.#asked.get(frame.ref);
    if (asked === undefined) return false;
    this.#asked.delete(frame.ref as number);
    const error = this.#host.wireError(frame);
    switch (asked.kind) {
      case "track":
        this.#trackRefused(asked.topic, error);
        break;
      case "untrack":
        asked.waiter.reject(error);
        break;
      case "list":
        this.#listings.delete(asked.listing);
        asked.listing.reject(error);
        break;
      case "watch":
        this.#watches.delete(asked.watch.topic);
        // Who knows everybody already hears that no more comes.
        if (asked.watch.end(error)) this.#host.report(error);
        break;
    }
    return true;
  }

  #trackRefused(topic: string, error: WeirError): void {
    const waiters = this.#tracks.get(topic)?.waiters ?? [];
    this.#tracks.delete(topic);
    // Nobody waits for what is said again.
    if (waiters.length === 0) this.#host.report(error);
    for (const { reject } of waiters) reject(error);
  }

  // --- the connection ---

  welcomed(): void {
    for (const [topic, track] of this.#tracks) this.#sayTrack(topic, track);
    for (const watch of this.#watches.values()) this.#sayWatch(watch);
    for (const listing of this.#listings) {
      listing.members = [];
      this.#sayList(listing, undefined);
    }
  }

  lost(): void {
    for (const asked of this.#asked.values()) if (asked.kind === "untrack") asked.waiter.resolve();
    this.#asked = new Map();
  }

  ended(error: WeirError): void {
    for (const { waiters } of this.#tracks.values()) for (const { reject } of waiters) reject(error);
    for (const { reject } of this.#listings) reject(error);
    for (const asked of this.#asked.values()) if (asked.kind === "untrack") asked.waiter.resolve();
    for (const watch of this.#watches.values()) watch.end(error);
    this.#tracks.clear();
    this.#listings.clear();
    this.#watches.clear();
    this.#asked.clear();
  }
}

const toMember = (member: PresenceMember): Member => new Member(member);
