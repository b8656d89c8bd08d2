/**
 * A NATS with JetStream as gateways meet it: one server, or three that replicate. Answers what the adapter asks, with
 * the texts and codes of nats-server 2.14, and fails as it does when a fault says so.
 * @module
 */
import type { SimClock, SimProcess } from "../clock.ts";
import type { Chance } from "../random.ts";
import { type NatsMeddling, type Published, SimConnection, type Subscribed } from "./connection.ts";
import { type ConsumerConfig, type PullRequest, SimConsumer } from "./consumer.ts";
import { SimLeader } from "./leader.ts";
import { fromJson, headerBlock, json, type Message, SimHeaders, status, subjectMatches } from "./message.ts";
import { refuse, SimStream, type StreamOptions } from "./stream.ts";

type Ask = { readonly connection: SimConnection; readonly reply: string; readonly body: Uint8Array };
type Taker = { readonly connection: SimConnection; readonly subscribed: Subscribed };
type MessageRequest = { readonly seq?: number; readonly next_by_subj?: string; readonly last_by_subj?: string };
type DirectRequest = MessageRequest & {
  readonly start_time?: string;
  readonly batch: number;
  readonly max_bytes?: number;
  readonly multi_last?: readonly string[];
};
type PurgeRequest = { readonly filter: string; readonly seq?: number; readonly keep?: number };

const servers = 3;
/** A server that is up to date is so much behind the leader. */
const behindMs = [0, 0.3, 3] as const;
const lookAgainMs = 5;

export class SimNats {
  readonly replicated: boolean;
  readonly streams: readonly SimStream[];
  wasOverloaded = false;
  readonly #clock: SimClock;
  readonly #chance: Chance;
  readonly #meddling: NatsMeddling;
  readonly #leaders: readonly SimLeader[];
  readonly #connections = new Set<SimConnection>();
  #consumers: SimConsumer[] = [];
  #consumersMade = 0;
  // Until when something goes wrong.
  #closedMs = 0;
  #lossyMs = 0;
  #overloadedMs = 0;
  #stalledMs = 0;
  /** Messages that nobody keeps do not pass between these and the others. */
  #split: { readonly apart: ReadonlySet<SimConnection>; readonly untilMs: number } = { apart: new Set(), untilMs: 0 };
  /** Server that gets nothing new, from when, until when. */
  #frozen = { server: 0, fromMs: 0, untilMs: 0 };

  constructor(
    parts: {
      readonly clock: SimClock;
      readonly chance: Chance;
      readonly replicated: boolean;
      readonly meddling: NatsMeddling;
    },
    streams: readonly StreamOptions[],
  ) {
    this.#clock = parts.clock;
    this.#chance = parts.chance;
    this.#meddling = parts.meddling;
    this.replicated = parts.replicated;
    const agreeBase = parts.chance.pick([0.3, 2, 20]);
    const options = {
      replicated: parts.replicated,
      agreeMs: () => Math.max(this.#chance.next() * agreeBase, this.#stalledMs - this.#clock.nowMs),
      overloaded: () => this.#clock.nowMs < this.#overloadedMs && this.#chance.hit(0.3),
    };
    this.streams = streams.map((one) => new SimStream(one, parts.clock));
    this.#leaders = this.streams.map((stream) => {
      stream.onStored = () => {
        for (const consumer of this.#consumers) if (consumer.stream === stream) consumer.pump();
      };
      return new SimLeader(stream, { clock: parts.clock, chance: parts.chance, options });
    });
  }

  get open(): boolean {
    return this.#clock.nowMs >= this.#closedMs;
  }

  connect(process: SimProcess): SimConnection {
    const chance = this.#chance.fork(process.name);
    const connection = new SimConnection(process, {
      clock: this.#clock,
      chance,
      server: this,
      meddling: this.#meddling,
    });
    this.#connections.add(connection);
    process.onDeath(() => this.#connections.delete(connection));
    return connection;
  }

  // --- faults ---

  /** Of one server: it is killed and started again. Of three: streams lose their leaders, consumers their server. */
  loseLeader(forMs: number): void {
    if (!this.replicated) {
      this.away(forMs);
      for (const leader of this.#leaders) leader.restart();
      return this.killConsumers(1);
    }
    for (const leader of this.#leaders) if (this.#chance.hit(0.6)) leader.lose(forMs);
    this.killConsumers(0.4);
  }

  /** Nobody can connect for a while. */
  away(forMs: number): void {
    this.#closedMs = this.#clock.nowMs + forMs;
    for (const connection of this.#connections) connection.cut();
  }

  cut(): void {
    const connections = [...this.#connections];
    if (connections.length > 0) this.#chance.pick(connections).cut();
  }

  /** Between servers, some of everything is lost. */
  lossyFor(forMs: number): void {
    if (this.replicated) this.#lossyMs = this.#clock.nowMs + forMs;
  }

  overloadFor(forMs: number): void {
    this.wasOverloaded = true;
    this.#overloadedMs = this.#clock.nowMs + forMs;
  }

  /** What was proposed is not agreed on for a while. */
  stallFor(forMs: number): void {
    if (this.replicated) this.#stalledMs = this.#clock.nowMs + forMs;
  }

  /** One of the servers that do not lead gets nothing new for a while. */
  freezeReplica(forMs: number): void {
    const now = this.#clock.nowMs;
    if (this.replicated) this.#frozen = { server: this.#chance.int(1, servers - 1), fromMs: now, untilMs: now + forMs };
  }

  /** Gateways hear each other no more, and the log all the same. */
  splitFor(forMs: number): void {
    const apart = new Set([...this.#connections].filter(() => this.#chance.hit(0.5)));
    this.#split = { apart, untilMs: this.#clock.nowMs + forMs };
  }

  killConsumers(share: number): void {
    for (const consumer of this.#consumers) if (this.#chance.hit(share)) consumer.die(this.#meddling.deadConsumersBeat);
    this.#consumers = this.#consumers.filter(({ alive }) => alive);
  }

  heal(): void {
    this.#closedMs = 0;
    this.#lossyMs = 0;
    this.#overloadedMs = 0;
    this.#stalledMs = 0;
    this.#split = { apart: new Set(), untilMs: 0 };
    this.#frozen = { server: 0, fromMs: 0, untilMs: 0 };
    for (const leader of this.#leaders) leader.elect();
  }

  losesAnswer(): boolean {
    return this.#isLost(0.2);
  }

  #isLost(share: number): boolean {
    return this.#clock.nowMs < this.#lossyMs && this.#chance.hit(share);
  }

  // --- what gateways say ---

  receive(connection: SimConnection, message: Published): void {
    if (this.#isLost(0.1)) return;
    const { subject, reply, data } = message;
    if (!subject.startsWith("$JS.API.")) {
      const leader = this.#leaders.find(({ stream }) => stream.takes(subject));
      if (leader !== undefined) return leader.publish(connection, message);
      if (!this.#pass(connection, message) && reply !== undefined) connection.deliver(status(reply, 503));
      return;
    }
    const [verb = "", name = "", consumer = ""] = apiOf(subject);
    const stream = this.streams.find(({ options }) => options.name === name);
    if (stream === undefined) throw new Error(`The simulated NATS has no ${subject}`);
    const ask: Ask = { connection, reply: reply ?? "", body: data };
    if (verb === "DIRECT.GET") return this.#directGet(stream, ask);
    if (verb === "CONSUMER.DELETE") return this.#forget(consumer);
    if (verb === "CONSUMER.MSG.NEXT") return this.#pull(consumer, ask);
    const { state } = this.#leaderOf(stream);
    if (state === "silent") return;
    const body = state === "leaderless" ? unavailable : this.#ask(verb, stream, ask);
    ask.connection.deliver({ to: ask.reply, subject: ask.reply, data: json(body) });
  }

  /** To everybody who subscribes now, to one of each queue. False: nobody does. */
  #pass(from: SimConnection, { subject, reply, fields, data }: Published): boolean {
    const queues = new Map<string, Taker[]>();
    const takers: Taker[] = [];
    for (const connection of this.#connections)
      for (const subscribed of connection.subscribedTo(subject)) {
        const { queue } = subscribed;
        const members = queue === undefined ? takers : (queues.get(queue) ?? []);
        members.push({ connection, subscribed });
        if (queue !== undefined) queues.set(queue, members);
      }
    for (const members of queues.values()) takers.push(this.#chance.pick(members));
    const content = {
      ...{ subject, data },
      ...(reply === undefined ? {} : { reply }),
      ...(fields.size === 0 ? {} : { headers: new SimHeaders(fields) }),
    };
    for (const { connection, subscribed } of takers)
      if (!this.#isSplit(from, connection)) connection.deliver({ to: subject, only: subscribed, ...content });
    return takers.length > 0;
  }

  #isSplit(a: SimConnection, b: SimConnection): boolean {
    const { apart, untilMs } = this.#split;
    return this.#clock.nowMs < untilMs && apart.has(a) !== apart.has(b);
  }

  #leaderOf(stream: SimStream): SimLeader {
    return this.#leaders.find((leader) => leader.stream === stream) as SimLeader;
  }

  #ask(verb: string, stream: SimStream, { body }: Ask): unknown {
    switch (verb) {
      case "STREAM.INFO":
        return infoOf(stream, fromJson(body));
      case "STREAM.MSG.GET":
        return messageOf(stream, fromJson(body));
      case "STREAM.PURGE":
        return { success: true, purged: purge(stream, fromJson(body)) };
      case "CONSUMER.CREATE":
        return this.#create(stream, fromJson<{ config: ConsumerConfig }>(body).config);
      default:
        throw new Error(`The simulated NATS does not know ${verb}`);
    }
  }

  // --- consumers ---

  #create(stream: SimStream, config: ConsumerConfig): unknown {
    const name = `c${++this.#consumersMade}`;
    const server = this.replicated ? this.#chance.int(0, servers - 1) : 0;
    const has = (message: Message): true | { readonly againMs: number } => this.#has(server, message);
    this.#consumers.push(new SimConsumer({ name, stream, server }, config, { clock: this.#clock, has }));
    return { stream_name: stream.options.name, name };
  }

  #forget(name: string): void {
    this.#consumers = this.#consumers.filter((one) => {
      if (one.name === name) one.die();
      return one.alive;
    });
  }

  #pull(name: string, { connection, reply, body }: Ask): void {
    const consumer = this.#consumers.find((one) => one.name === name);
    if (consumer === undefined) connection.deliver(status(reply, 503));
    else consumer.pull(connection, reply, fromJson<PullRequest>(body));
  }

  #has(server: number, { atMs }: Message): true | { readonly againMs: number } {
    const now = this.#clock.nowMs;
    const { fromMs, untilMs } = this.#frozen;
    if (server === this.#frozen.server && atMs >= fromMs && now < untilMs) return { againMs: lookAgainMs };
    const lateMs = atMs + (behindMs[server] as number) - now;
    return lateMs > 0 ? { againMs: lateMs } : true;
  }

  // --- direct reads ---

  #directGet(stream: SimStream, { connection, reply, body }: Ask): void {
    const {
      seq = 1,
      start_time,
      next_by_subj = ">",
      batch,
      max_bytes = Number.POSITIVE_INFINITY,
      multi_last,
    } = fromJson<DirectRequest>(body);
    const leads = this.#leaderOf(stream).state === "leads";
    const server = this.replicated ? this.#chance.int(leads ? 0 : 1, servers - 1) : 0;
    const fromMs = start_time === undefined ? 0 : Date.parse(start_time);
    const found: Message[] = [];
    const candidates = multi_last === undefined ? stream.from(seq, [next_by_subj]) : newestOf(stream, multi_last);
    for (const message of candidates)
      if (Math.floor(message.atMs) >= fromMs && this.#has(server, message) === true) found.push(message);
    if (found.length === 0) return connection.deliver(status(reply, 404));
    let sent = 0;
    let bytes = 0;
    let before = 0;
    for (const message of found) {
      bytes += message.data.byteLength + 100;
      if (sent >= batch || (sent > 0 && bytes > max_bytes)) break;
      sent++;
      connection.deliver(directMessage(stream, reply, { message, before }));
      before = message.seq;
    }
    const end = new Map([
      ["Nats-Num-Pending", String(found.length - sent)],
      ["Nats-Last-Sequence", String(before)],
    ]);
    connection.deliver(status(reply, 204, end));
  }
}

const unavailable = { error: refuse(10_008, "JetStream system temporarily unavailable", 503) };
const verbs = [
  "DIRECT.GET",
  "CONSUMER.DELETE",
  "CONSUMER.MSG.NEXT",
  "CONSUMER.CREATE",
  "STREAM.INFO",
  "STREAM.MSG.GET",
  "STREAM.PURGE",
];

/** Verb, stream and consumer of `$JS.API.…`. */
function apiOf(subject: string): readonly string[] {
  const asked = subject.slice("$JS.API.".length);
  const verb = verbs.find((one) => asked.startsWith(`${one}.`)) ?? asked;
  return [verb, ...asked.slice(verb.length + 1).split(".")];
}

function timeOf({ atMs }: Message): string {
  return new Date(Math.floor(atMs)).toISOString();
}

function directMessage(stream: SimStream, to: string, sent: { readonly message: Message; readonly before: number }) {
  const { message, before } = sent;
  const fields = new Map(message.fields)
    .set("Nats-Stream", stream.options.name)
    .set("Nats-Subject", message.subject)
    .set("Nats-Sequence", String(message.seq))
    .set("Nats-Time-Stamp", timeOf(message))
    .set("Nats-Last-Sequence", String(before));
  return { to, subject: to, headers: new SimHeaders(fields), data: message.data };
}

function newestOf(stream: SimStream, subjects: readonly string[]): readonly Message[] {
  const found = subjects.map((subject) => stream.newest(subject)).filter((message) => message !== undefined);
  return found.sort((a, b) => a.seq - b.seq);
}

function messageOf(stream: SimStream, { seq = 1, next_by_subj, last_by_subj }: MessageRequest): unknown {
  const found =
    last_by_subj === undefined ? stream.from(seq, [next_by_subj ?? ">"]).next().value : stream.newest(last_by_subj);
  const isExact = next_by_subj === undefined && last_by_subj === undefined;
  const message = isExact && found?.seq !== seq ? undefined : found;
  if (!message) return { error: refuse(10_037, "no message found", 404) };
  const { fields, data, subject } = message;
  const hdrs = fields.size === 0 ? {} : { hdrs: Buffer.from(headerBlock(fields)).toString("base64") };
  const body = data.byteLength === 0 ? {} : { data: Buffer.from(data).toString("base64") };
  return { message: { subject, seq: message.seq, ...hdrs, ...body, time: timeOf(message) } };
}

function infoOf(stream: SimStream, { subjects_filter }: { readonly subjects_filter?: string }): unknown {
  const held = [...stream.from(1)];
  const state = {
    messages: held.length,
    bytes: held.reduce((sum, { data, subject }) => sum + data.byteLength + subject.length, 0),
    first_seq: held[0]?.seq ?? stream.lastSeq + 1,
    last_seq: stream.lastSeq,
  };
  const about = { config: { name: stream.options.name }, created: "2026-01-01T00:00:00Z" };
  if (subjects_filter === undefined) return { ...about, state };
  const subjects: Record<string, number> = {};
  for (const { subject } of held)
    if (subjectMatches(subjects_filter, subject)) subjects[subject] = (subjects[subject] ?? 0) + 1;
  return { ...about, total: Object.keys(subjects).length, state: { ...state, subjects } };
}

/** Answers how many went. */
export function purge(stream: SimStream, { filter, seq, keep }: PurgeRequest): number {
  const held = [...stream.from(1, [filter])];
  const gone =
    seq === undefined ? held.slice(0, Math.max(0, held.length - (keep ?? 0))) : held.filter((one) => one.seq < seq);
  for (const message of gone) stream.remove(message);
  return gone.length;
}
