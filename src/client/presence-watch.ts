/**
 * One watched topic: what is known of it, kept up with what the gateway tells, and compared with what is told anew after a
 * reconnect.
 *
 * Owns: handlers hear of each member that came, changed or went once, and of nobody else.
 * @module
 */
import type { WeirError } from "./errors.ts";
import type { Member } from "./presence-member.ts";

export type PresenceHandlers = {
  /** Also for each that is there when the watch begins. */
  readonly onJoin?: (member: Member) => void;
  /** It said something else of itself. */
  readonly onUpdate?: (member: Member, before: Member) => void;
  readonly onLeave?: (member: Member) => void;
  /** Everybody is known: at the beginning, and again after each reconnect. */
  readonly onSync?: (members: ReadonlyMap<string, Member>) => void;
};

export type PresenceWatch = {
  readonly topic: string;
  /** By session; empty until `ready`. */
  readonly members: ReadonlyMap<string, Member>;
  /** Everybody is known; rejects when the gateway refuses, or the client has ended. */
  readonly ready: Promise<void>;
  stop(): void;
};

type Listener = {
  readonly handlers: PresenceHandlers;
  readonly resolve: () => void;
  readonly reject: (e: WeirError) => void;
};

export type WatchOwner = {
  /** Nobody watches it any more. */
  unused(): void;
  /** A handler did. */
  threw(error: unknown): void;
};

export class Watch {
  readonly topic: string;
  /** Of the frame that began it on this connection. */
  ref = 0;
  readonly #members = new Map<string, Member>();
  readonly #listeners = new Set<Listener>();
  readonly #owner: WatchOwner;
  /** As told anew, page by page. */
  #told: Map<string, Member> | undefined;
  #synced = false;

  constructor(topic: string, owner: WatchOwner) {
    this.topic = topic;
    this.#owner = owner;
  }

  join(handlers: PresenceHandlers): PresenceWatch {
    const { promise, resolve, reject } = deferred();
    const listener = { handlers, resolve, reject };
    this.#listeners.add(listener);
    if (this.#synced) {
      resolve();
      for (const member of this.#members.values()) this.#call(() => handlers.onJoin?.(member));
      this.#call(() => handlers.onSync?.(this.#members));
    }
    return {
      topic: this.topic,
      members: this.#members,
      ready: promise,
      stop: () => {
        if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#owner.unused();
      },
    };
  }

  /** What comes next is the first page of everything. */
  begin(ref: number): void {
    this.ref = ref;
    this.#told = undefined;
  }

  page(members: readonly Member[], isLast: boolean): void {
    this.#told ??= new Map();
    for (const member of members) this.#told.set(member.session, member);
    if (!isLast) return;
    const told = this.#told;
    this.#told = undefined;
    for (const member of [...this.#members.values()]) if (!told.has(member.session)) this.#leave(member.session);
    for (const member of told.values()) this.#set(member);
    this.#synced = true;
    for (const { handlers, resolve } of [...this.#listeners]) {
      resolve();
      this.#call(() => handlers.onSync?.(this.#members));
    }
  }

  changed(joined: readonly Member[], left: readonly string[]): void {
    // While it is told anew, what changes meanwhile is part of that.
    if (this.#told !== undefined) {
      for (const member of joined) this.#told.set(member.session, member);
      for (const session of left) this.#told.delete(session);
      return;
    }
    for (const session of left) this.#leave(session);
    for (const member of joined) this.#set(member);
  }

  /** True: everybody was known, so nobody waits. */
  end(error: WeirError): boolean {
    for (const { reject } of this.#listeners) reject(error);
    this.#listeners.clear();
    return this.#synced;
  }

  /** What the application throws is no reason to know less. */
  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#owner.threw(error);
    }
  }

  #set(member: Member): void {
    const before = this.#members.get(member.session);
    if (before?.isLike(member) === true) return;
    this.#members.set(member.session, member);
    for (const { handlers } of [...this.#listeners]) {
      if (before === undefined) this.#call(() => handlers.onJoin?.(member));
      else this.#call(() => handlers.onUpdate?.(member, before));
    }
  }

  #leave(session: string): void {
    const member = this.#members.get(session);
    if (member === undefined) return;
    this.#members.delete(session);
    for (const { handlers } of [...this.#listeners]) this.#call(() => handlers.onLeave?.(member));
  }
}

/** Node 20 has no `Promise.withResolvers`. */
function deferred() {
  let [resolve, reject]: [() => void, (error: WeirError) => void] = [() => undefined, () => undefined];
  const promise = new Promise<void>((...both) => {
    [resolve, reject] = both;
  });
  promise.catch(() => undefined); // Whoever does not wait for it is not told twice.
  return { promise, resolve, reject };
}
