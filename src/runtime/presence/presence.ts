/**
 * Who is present on a topic: sessions say so themselves, for as long as a connection carries them, and a while longer so
 * that who comes back at once was never gone. Others ask, and watch.
 *
 * Owns: what is tracked here is told to every node (spread.ts); bounds of a session and a topic.
 * @module
 */
import type { ErrorName } from "../../protocol/error-code.ts";
import type { Presence as Ask, Track, Untrack } from "../../protocol/feature-frame.ts";
import type { EpochMs, SessionId } from "../../protocol/ids.ts";
import type { Limits } from "../../protocol/limits.ts";
import { covers, isReserved, matches, topicProblem } from "../../protocol/topic.ts";
import type { Member, Membership } from "../cluster/membership.ts";
import type { Attachment, Feature, FrameOf } from "../features/feature.ts";
import type { Ports, Timer } from "../ports.ts";
import { errorFrame } from "../session/context.ts";
import { type PresencePage, type PresenceRange, sameBytes } from "./directory.ts";
import { Spread } from "./spread.ts";
import { memberOf, Watches } from "./watches.ts";

export type PresenceServices = {
  readonly ports: Pick<Ports, "clock" | "bus">;
  readonly limits: Limits;
  readonly cluster: Pick<Membership, "member"> & { readonly self: Pick<Member, "node" | "incarnation"> };
};

export type PresenceFigures = {
  /** Of all topics, on all nodes. */
  readonly members: number;
  readonly topics: number;
  /** Members that are this node's own. */
  readonly tracked: number;
  readonly watches: number;
  /** Questions to other nodes for what was missed. */
  readonly repairs: number;
};

/** A session that is tracked here. */
type Tracked = {
  /** Undefined: it has no connection here. */
  attachment: Attachment | undefined;
  /** By topic: when it goes, unless its connection says again that it is there. 0: it does not. */
  readonly topics: Map<string, EpochMs>;
};

const sweepMs = 500;
const pageDefault = 100;

export class Presence implements Feature<"presence"> {
  readonly name = "presence";
  readonly #services: PresenceServices;
  readonly #spread: Spread;
  readonly #watches: Watches;
  readonly #sessions = new Map<string, Tracked>();
  /** Topics that a connection watches. */
  readonly #watched = new Map<Attachment, Set<string>>();
  #sweeping: Timer | undefined;
  #stopped = false;

  constructor(services: PresenceServices) {
    const { ports, cluster } = services;
    const { clock, bus } = ports;
    const { node, incarnation } = cluster.self;
    this.#services = services;
    this.#watches = new Watches(clock, () => this.#spread.directory);
    this.#spread = new Spread({
      ...{ clock, bus, membership: cluster, self: { node, incarnation } },
      graceMs: () => this.#graceMs,
      onShown: (topic, session) => this.#watches.changed(topic, session),
    });
  }

  get #graceMs(): number {
    return this.#services.limits.presenceGraceMs;
  }

  /** For operators. */
  page(topic: string, range: PresenceRange): PresencePage {
    return this.#spread.directory.page(topic, range);
  }
  get figures(): PresenceFigures {
    const { directory, own, repairs } = this.#spread;
    return {
      members: directory.total,
      topics: directory.topics,
      tracked: own.source.count,
      watches: this.#watches.count,
      repairs,
    };
  }

  // --- connections ---

  receive(attachment: Attachment, frame: FrameOf<"presence">): void {
    switch (frame.type) {
      case "track":
        return this.#track(attachment, frame);
      case "untrack":
        return this.#untrack(attachment, frame);
      case "presence":
        return this.#ask(attachment, frame);
    }
  }

  /** What it said on its last connection it says again, or it goes. */
  attached(attachment: Attachment): void {
    const tracked = this.#sessions.get(attachment.session);
    if (tracked === undefined) return;
    tracked.attachment = attachment;
    this.#leaveLater(tracked);
  }

  detached(attachment: Attachment): void {
    for (const topic of this.#watched.get(attachment) ?? []) this.#watches.remove(attachment, topic);
    this.#watched.delete(attachment);
    const tracked = this.#sessions.get(attachment.session);
    if (tracked?.attachment !== attachment) return; // Another connection has it already.
    tracked.attachment = undefined;
    this.#leaveLater(tracked);
  }

  gone(session: SessionId, why: "ended" | "elsewhere"): void {
    const tracked = this.#sessions.get(session);
    if (tracked === undefined) return;
    tracked.attachment = undefined;
    if (why === "elsewhere") return this.#leaveLater(tracked);
    for (const topic of tracked.topics.keys()) this.#leave(session, topic);
  }

  reauthenticated(attachment: Attachment): void {
    const { peer, session } = attachment;
    for (const topic of [...(this.#watched.get(attachment) ?? [])]) {
      if (this.#maySee(attachment, topic)) continue;
      const ref = this.#unwatch(attachment, topic) ?? 0;
      peer.send(errorFrame("subscribeForbidden", `Topic "${topic}" is not covered by the subscribe claim`, { ref }));
    }
    for (const topic of [...(this.#sessions.get(session)?.topics.keys() ?? [])]) {
      if (this.#maySee(attachment, topic)) continue;
      this.#leave(session, topic);
      peer.send({ type: "tracked", ref: 0, topic, on: false });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#sweeping?.cancel();
    this.#watches.stop();
    this.#spread.stop();
  }

  // --- tracking ---

  #track(attachment: Attachment, { ref, topic, data }: Track): void {
    const { peer, session, owner } = attachment;
    const problem = this.#trackProblem(attachment, topic, data);
    if (problem !== undefined) return void peer.send(errorFrame(problem.name, problem.what, { ref }));
    const tracked = this.#sessions.get(session) ?? { attachment, topics: new Map<string, EpochMs>() };
    this.#sessions.set(session, tracked);
    tracked.topics.set(topic, 0);
    const { directory, own } = this.#spread;
    const { subject } = peer.identity;
    const before = directory.of(own.source, topic, session);
    const isSaid = before?.owner === owner && before.subject === subject && sameBytes(before.data, data);
    if (!isSaid) {
      // Wherever it was before: it is there since then.
      const since = directory.shown(topic, session)?.since ?? this.#now();
      own.set({ topic, session, subject, data: data?.slice(), since, owner });
      this.#spread.changed();
    }
    peer.send({ type: "tracked", ref, topic, on: true });
  }

  #trackProblem(
    attachment: Attachment,
    topic: string,
    data: Uint8Array | undefined,
  ): { readonly name: ErrorName; readonly what: string } | undefined {
    const { peer, session } = attachment;
    const { presencePerSessionMax, presencePerTopicMax, presenceDataBytesMax } = peer.limits;
    const problem = this.#topicProblem(attachment, topic);
    if (problem !== undefined) return problem;
    if (data !== undefined && data.byteLength > presenceDataBytesMax)
      return {
        name: "payloadTooLarge",
        what: `Data of presence has ${data.byteLength} bytes, at most ${presenceDataBytesMax} are allowed`,
      };
    // Others are shown it, as a record would be.
    if (data !== undefined && !peer.identity.publish.some((claim) => matches(claim, topic)))
      return { name: "publishForbidden", what: `Data on topic "${topic}" is not covered by the publish claim` };
    const topics = this.#sessions.get(session)?.topics;
    if (topics?.has(topic) !== true && (topics?.size ?? 0) >= presencePerSessionMax)
      return {
        name: "presenceTooMany",
        what: `A session is present on at most ${presencePerSessionMax} topics`,
      };
    const { directory } = this.#spread;
    if (directory.shown(topic, session) === undefined && directory.count(topic) >= presencePerTopicMax)
      return {
        name: "presenceTooMany",
        what: `Topic "${topic}" has ${presencePerTopicMax} members, which is the most`,
      };
    return undefined;
  }

  #untrack({ peer, session }: Attachment, { ref, topic }: Untrack): void {
    this.#leave(session, topic);
    peer.send({ type: "tracked", ref, topic, on: false });
  }

  #leaveLater(tracked: Tracked): void {
    const at = this.#now() + this.#graceMs;
    for (const [topic, leavesAt] of tracked.topics) if (leavesAt === 0) tracked.topics.set(topic, at);
    this.#sweepLater();
  }

  #leave(session: string, topic: string): void {
    const tracked = this.#sessions.get(session);
    if (tracked?.topics.delete(topic) !== true) return;
    if (tracked.topics.size === 0) this.#sessions.delete(session);
    this.#spread.own.remove(topic, session);
    this.#spread.changed();
  }

  #sweepLater(): void {
    if (this.#stopped || this.#sweeping !== undefined) return;
    this.#sweeping = this.#services.ports.clock.after(sweepMs, () => {
      this.#sweeping = undefined;
      if (this.#sweep(this.#now())) this.#sweepLater();
    });
  }

  /** True: somebody's time of grace goes on. */
  #sweep(now: EpochMs): boolean {
    const { directory, own } = this.#spread;
    let goesOn = false;
    for (const [session, { topics }] of this.#sessions)
      for (const [topic, leavesAt] of topics) {
        if (leavesAt === 0) continue;
        // Another node has it: what it says of it counts, also that it goes.
        const isElsewhere = directory.shown(topic, session)?.source !== own.source;
        if (leavesAt <= now || isElsewhere) this.#leave(session, topic);
        else goesOn = true;
      }
    return goesOn;
  }

  // --- asking ---

  #ask(attachment: Attachment, { ref, topic, watch, cursor, limit }: Ask): void {
    const { peer } = attachment;
    const problem = this.#topicProblem(attachment, topic) ?? this.#watchProblem(attachment, topic, watch);
    if (problem !== undefined) return void peer.send(errorFrame(problem.name, problem.what, { ref }));
    if (watch === true) this.#watch(attachment, topic, ref);
    if (watch === false) this.#unwatch(attachment, topic);
    const { listItemsMax, deliverBytesMax } = peer.limits;
    const range = { limit: Math.min(limit ?? pageDefault, listItemsMax), bytesMax: deliverBytesMax };
    const page = this.page(topic, cursor === undefined ? range : { ...range, cursor });
    peer.send({ type: "presences", ref, topic, ...page, members: page.members.map(memberOf) });
  }

  #watchProblem(attachment: Attachment, topic: string, watch: boolean | undefined) {
    const { presencePerSessionMax } = attachment.peer.limits;
    const watched = this.#watched.get(attachment);
    if (watch !== true || watched?.has(topic) === true || (watched?.size ?? 0) < presencePerSessionMax)
      return undefined;
    const what = `A session watches the presence of at most ${presencePerSessionMax} topics`;
    return { name: "presenceTooMany" as const, what };
  }

  #watch(attachment: Attachment, topic: string, ref: number): void {
    const watched = this.#watched.get(attachment) ?? new Set();
    this.#watched.set(attachment, watched.add(topic));
    this.#watches.add(attachment, topic, ref);
  }

  #unwatch(attachment: Attachment, topic: string): number | undefined {
    const watched = this.#watched.get(attachment);
    watched?.delete(topic);
    if (watched?.size === 0) this.#watched.delete(attachment);
    return this.#watches.remove(attachment, topic);
  }

  #topicProblem(
    attachment: Attachment,
    topic: string,
  ): { readonly name: ErrorName; readonly what: string } | undefined {
    const problem = topicProblem(topic, attachment.peer.limits);
    if (problem !== undefined) return { name: "badTopic", what: problem };
    if (isReserved(topic)) return { name: "reservedTopic", what: `Topic "${topic}" is reserved` };
    if (this.#maySee(attachment, topic)) return undefined;
    return { name: "subscribeForbidden", what: `Topic "${topic}" is not covered by the subscribe claim` };
  }

  #maySee({ peer }: Attachment, topic: string): boolean {
    return peer.identity.subscribe.some((claim) => covers(claim, topic));
  }

  #now(): EpochMs {
    return this.#services.ports.clock.now();
  }
}
