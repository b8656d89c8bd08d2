/**
 * The shadow run: a recorded segment is played through this version's own gateway, with a log in memory, a network in
 * memory and virtual time, under the recorded limits or under other ones; what it decides is compared with what was
 * recorded.
 * @module
 */
import { decodeEvent } from "../../actors/session/persist.ts";
import type { Subscribe } from "../../protocol/frame.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import type { Limits } from "../../protocol/limits.ts";
import { localBus } from "../../runtime/bus/local.ts";
import { createGateway } from "../../runtime/gateway.ts";
import { readJournal } from "../../runtime/journal.ts";
import type { EventLog, LogRecord, Retention } from "../../runtime/log/event-log.ts";
import { openMemoryLog } from "../../runtime/log/memory.ts";
import { LatencyHistogram } from "../../runtime/metrics.ts";
import type { Logger, ProcessProbe, Random } from "../../runtime/ports.ts";
import { sha256 } from "../../runtime/system.ts";
import { memoryNetwork } from "../../runtime/transport/memory.ts";
import type { Segment } from "./segment.ts";
import { SeqMap } from "./seq-map.ts";
import { compareSession, type ShadowDifference } from "./shadow-compare.ts";
import { forbiddenTopic, type PeerWorld, ShadowPeer, shadowEpoch } from "./shadow-peer.ts";
import { type Input, type Of, type RecordedEvent, type Script, scriptOf } from "./shadow-script.ts";
import { portsClock, VirtualClock } from "./virtual-clock.ts";

export type ShadowOptions = {
  /** In place of the recorded ones. */
  readonly limits?: Partial<Limits>;
  readonly retention?: Partial<Retention>;
  /** Times that differ by no more are the same. @default 2_000 */
  readonly toleranceMs?: number;
  /** What the gateway says of itself. */
  readonly logger?: Logger;
};
export type ShadowReport = {
  readonly sessions: number;
  /** Events that were recorded, and that this run made. */
  readonly recorded: number;
  readonly decided: number;
  readonly inputs: number;
  readonly virtualMs: number;
  readonly differences: readonly ShadowDifference[];
  /** What is not decided again: what operators did, and what came of tokens that are not in the log. */
  readonly skipped: Script["skipped"];
};

const eventsMax = 50_000_000;
const hostname = "shadow";
const port = 8_080;
const toleranceMs = 2_000;
/** After the last input, for what it leads to at once. */
const afterMs = 1;
const topicsClaimedMax = 4_096;

export async function shadowRun(segment: Segment, options: ShadowOptions = {}): Promise<ShadowReport> {
  const script = scriptOf(segment);
  const world = new ShadowWorld(script, segment, options);
  await world.run();
  return await world.report(options.toleranceMs ?? toleranceMs);
}

class ShadowWorld implements PeerWorld {
  readonly seqs = new SeqMap();
  readonly #script: Script;
  readonly #clock: VirtualClock;
  readonly #log: EventLog;
  readonly #gateway: ReturnType<typeof createGateway>;
  readonly #network: ReturnType<typeof memoryNetwork>;
  readonly #peers = new Map<string, ShadowPeer>();
  /** Of records that no session of this world publishes: seq by id. */
  readonly #recorded = new Map<string, Seq>();
  readonly #limits: Limits;

  constructor(script: Script, segment: Segment, options: ShadowOptions) {
    this.#script = script;
    this.#limits = { ...script.limits, ...options.limits };
    this.#clock = new VirtualClock({ startMs: script.startsAt, eventsMax, drain: () => undefined });
    const clock = portsClock(this.#clock);
    const random = countingRandom();
    for (const { id, seq } of segment.records) this.#recorded.set(id, seq);
    this.#log = openMemoryLog({ clock, epoch: shadowEpoch });
    this.#log.follow(0, (records) => {
      for (const record of records) this.#stored(record);
    });
    this.#network = memoryNetwork({ clock, random, latencyMs: () => 0, kernelBytes: 16 * 1_048_576 });
    const retention = { ...script.retention, ...options.retention };
    this.#gateway = createGateway(
      {
        ...{ clock, random, digest: sha256, log: this.#log, bus: localBus(clock), transport: this.#network.transport },
        authenticator: { authenticate: async (token = "") => ({ ok: true, identity: identityOf(token) }) },
        probe: nothingProbed(),
        logger: options.logger ?? { log: () => undefined },
      },
      { hostname, port, node: "shadow", limits: this.#limits, retention },
    );
  }

  // --- for the peers ---

  now(): EpochMs {
    return this.#clock.nowMs;
  }
  at(time: EpochMs, run: () => void): void {
    this.#clock.after(time - this.#clock.nowMs, run);
  }
  connect(events: Parameters<PeerWorld["connect"]>[0]) {
    return this.#network.connect({ url: `ws://${hostname}:${port}/`, subprotocols: ["weir.v1.msgpack"], events });
  }

  /** Which recorded record it is, that this world stores now. */
  #stored({ id, seq }: LogRecord): void {
    const [, session = "", end = ""] = /^([^/]+)\/(\d+|tx\/\d+\/\d+|dead\/\d+)$/.exec(id) ?? [];
    let recorded = this.#recorded.get(id);
    for (const [name, peer] of this.#peers) {
      if (peer.identity?.session !== session) continue;
      const dead = end.startsWith("dead/") ? this.seqs.toRecorded(Number(end.slice("dead/".length))) : undefined;
      recorded ??= dead === undefined ? peer.recordedSeq(end) : this.#recorded.get(`${name}/dead/${dead}`);
    }
    if (recorded !== undefined) this.seqs.add(recorded, seq);
  }

  // --- the run ---

  async run(): Promise<void> {
    const started = this.#gateway.start();
    await settled();
    await started;
    for (const input of this.#script.inputs) {
      await this.#runUntil(input.at);
      this.#play(input);
      await settled();
    }
    await this.#runUntil(this.#script.endsAt + afterMs);
  }

  async #runUntil(time: EpochMs): Promise<void> {
    while (this.#clock.step(time)) await settled();
    this.#clock.nowMs = Math.max(this.#clock.nowMs, time);
  }

  #play(input: Input): void {
    if (input.do === "append") return this.#append(input.record);
    const peer = this.#peerOf(input.session);
    switch (input.do) {
      case "open":
        return this.#open(input.session, input.event);
      case "attach":
        return peer.attach(tokenOf(this.#script, input.session));
      case "lose":
        return peer.lose(input.how);
      case "expire":
        return this.#expire(peer);
      case "subscribe":
        return peer.subscribe(input.event, this.#chosen(input.event));
      case "unsubscribe":
        return peer.unsubscribe(input.filter);
      case "publish":
        return peer.publish(input.record);
      case "publish refused":
        return peer.publishRefused(input.event);
      case "acknowledge":
        return peer.acknowledge(input.filter, input.positions);
      case "transact":
        return peer.transact(input.event, input.records);
    }
  }

  #peerOf(session: string): ShadowPeer {
    let peer = this.#peers.get(session);
    if (peer === undefined) {
      peer = new ShadowPeer(this, this.#script.returns.get(session) ?? new Map());
      this.#peers.set(session, peer);
    }
    return peer;
  }

  /** By an operator: that it was done is no decision, what comes of it is. */
  #expire({ identity }: ShadowPeer): void {
    if (identity !== undefined) void this.#gateway.control().expire(identity.session);
  }

  #open(session: string, { resumeWindowMs, instead }: Of<"Opened">): void {
    const known = instead === undefined ? undefined : this.#peers.get(instead.session)?.identity;
    const asked = instead === undefined ? undefined : (known ?? { session: instead.session, resumeKey: "" });
    const asks =
      asked === undefined
        ? {}
        : { asks: { ...asked, ...(instead?.cause === "resumeKeyWrong" ? { resumeKey: "" } : {}) } };
    const own = resumeWindowMs === this.#script.limits.resumeWindowMs ? {} : { resumeWindowMs };
    this.#peerOf(session).open({ token: tokenOf(this.#script, session), ...own, ...asks });
  }

  /** What the client chose itself: what it left to the gateway is the gateway's decision. */
  #chosen({ window, ackWaitMs, maxDeliver }: Of<"Subscribed">): Pick<Subscribe, "window" | "ackWaitMs" | "maxDeliver"> {
    const { limits } = this.#script;
    const isOwn = window.records === limits.deliverWindowRecords && window.bytes === limits.deliverWindowBytes;
    return {
      ...(isOwn ? {} : { window }),
      ...(ackWaitMs === limits.ackWaitMs ? {} : { ackWaitMs }),
      ...(maxDeliver === limits.maxDeliver ? {} : { maxDeliver }),
    };
  }

  /** Of a service, or of a session whose journal is not here. */
  #append({ topic, id, lane, payload, headers }: Extract<Input, { do: "append" }>["record"]): void {
    const record = headers === undefined ? { topic, id, lane, payload } : { topic, id, lane, payload, headers };
    void this.#log.append({ records: [record] });
  }

  // --- the outcome ---

  async report(tolerance: number): Promise<ShadowReport> {
    const { sessions, inputs, skipped, limits } = this.#script;
    const names = Object.keys(limits) as (keyof Limits)[];
    const changed = new Set<string>(names.filter((name) => limits[name] !== this.#limits[name]));
    const differences: ShadowDifference[] = [];
    let recorded = 0;
    let decided = 0;
    const claimed = new Map<string, string>();
    for (const [session, events] of sessions) {
      recorded += events.length;
      const id = this.#peers.get(session)?.identity?.session;
      const goesOn = id === undefined ? undefined : claimed.get(id);
      const now = id === undefined || goesOn !== undefined ? [] : await this.#eventsOf(id);
      if (id !== undefined) claimed.set(id, claimed.get(id) ?? session);
      decided += now.length;
      differences.push(
        ...compareSession({ session, recorded: events, now, seqs: this.seqs, goesOn, toleranceMs: tolerance, changed }),
      );
    }
    differences.sort((a, b) => a.time - b.time || a.session.localeCompare(b.session));
    const virtualMs = this.#clock.elapsedMs;
    return { sessions: sessions.size, recorded, decided, inputs: inputs.length, virtualMs, differences, skipped };
  }

  async #eventsOf(id: string): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for await (const page of readJournal(this.#log, { kind: "session", id }, 0))
      for (const { seq, data } of page) events.push({ seq, event: decodeEvent(data) });
    return events;
  }
}

/** What a process costs is no part of this world. */
function nothingProbed(): ProcessProbe {
  return {
    cores: 1,
    residentBytes: () => 0,
    cpuSeconds: () => 0,
    heap: () => ({ usedBytes: 0, externalBytes: 0 }),
    loopDelay: new LatencyHistogram(),
  };
}

/** Lets everything that was begun go as far as it can: no timer of the world runs by itself. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** No chance: the middle everywhere, tokens that are counted. */
function countingRandom(): Random {
  let count = 0;
  return { next: () => 0.5, token: (bytes) => `s${String(++count).padStart(Math.ceil((bytes * 4) / 3) - 1, "0")}` };
}

// --- identities: a token of the shadow world is the identity itself ---

type Token = { readonly subject: string; readonly refuses: boolean; readonly topics: readonly string[] };

function tokenOf({ sessions, inputs }: Script, session: string): string {
  const events = sessions.get(session) ?? [];
  const opened = events.find(({ event }) => event.type === "Opened")?.event as Of<"Opened"> | undefined;
  const refuses = events.some(({ event }) => event.type === "PublishRefused" && event.cause === "publishForbidden");
  const topics = new Set<string>();
  if (refuses)
    for (const input of inputs)
      if (input.do === "publish" && input.session === session && topics.size < topicsClaimedMax)
        topics.add(input.record.topic);
  return JSON.stringify({ subject: opened?.subject ?? "", refuses, topics: [...topics] } satisfies Token);
}

function identityOf(text: string) {
  const { subject, refuses, topics } = JSON.parse(text) as Token;
  const publish = refuses ? topics.filter((topic) => topic !== forbiddenTopic) : [">"];
  return { subject, publish, subscribe: [">", "$dead.>"] };
}
