/**
 * What a case is given: sockets to the gateway under test, topics of its own, and a client of few words that
 * opens sessions, publishes and subscribes as the protocol says.
 * @module
 */
import type { Codec } from "../../src/protocol/codec.ts";
import type { Hello, Page, Published, PublishRecord, Read, Subscribe, Welcome } from "../../src/protocol/frame.ts";
import type { Seq } from "../../src/protocol/ids.ts";
import type { Lane } from "../../src/protocol/lane.ts";
import { equal, Peer } from "./peer.ts";
import { Reception } from "./reception.ts";

export type Target = {
  readonly url: string;
  readonly codec: Codec;
  /** Sent in every HELLO. */
  readonly token?: string;
  /** How long the gateway waits for HELLO: what the case about it may have to wait. */
  readonly handshakeMs: number;
  /** Bound of one wait. */
  readonly waitMs: number;
};

export type ConformanceCase = {
  readonly name: string;
  /** Heading of docs/protocol/v1.md that it holds the gateway to. */
  readonly section: string;
  /** shortHandshake: it waits as long as the gateway waits for HELLO. */
  readonly needs?: "shortHandshake";
  readonly run: (world: World) => Promise<void>;
};

export type PublishText = { readonly topic: string; readonly text: string; readonly lane?: Lane };

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
export function text(payload: Uint8Array): string {
  return new TextDecoder().decode(payload);
}
export function texts(records: readonly { readonly payload: Uint8Array }[]): string[] {
  return records.map((record) => text(record.payload));
}
/** `count` texts, numbered from 1. */
export function numbered(topic: string, count: number): PublishText[] {
  return Array.from({ length: count }, (_, i) => ({ topic, text: String(i + 1) }));
}
export function toRecords(items: readonly PublishText[]): PublishRecord[] {
  return items.map(({ topic, text: body, lane }) => ({
    topic,
    payload: bytes(body),
    ...(lane === undefined ? {} : { lane }),
  }));
}

/** A peer that has its WELCOME. */
export class Client {
  readonly peer: Peer;
  readonly welcome: Welcome;
  /** Number of the next publish. */
  next: number;
  #ref = 0;

  constructor(peer: Peer, welcome: Welcome) {
    this.peer = peer;
    this.welcome = welcome;
    this.next = welcome.publishedUpTo + 1;
  }

  ref(): number {
    this.#ref += 1;
    return this.#ref;
  }

  /** Publishes and waits until all are settled; answers the seq of each, 0 where it was refused. */
  async publish(items: readonly PublishText[]): Promise<Seq[]> {
    const fitting = Math.min(this.welcome.credit.records, 1_000);
    if (items.length > fitting)
      return [...(await this.publish(items.slice(0, fitting))), ...(await this.publish(items.slice(fitting)))];
    const first = this.next;
    this.next += items.length;
    this.peer.send({ type: "publish", first, records: toRecords(items) });
    return await this.settled(first, items.length);
  }

  async publishOne(topic: string, body: string): Promise<Seq> {
    return (await this.publish([{ topic, text: body }]))[0] as Seq;
  }

  /** Seqs of `count` publishes from `first`, collected from PUBLISHED until they are all covered. */
  async settled(first: number, count: number): Promise<Seq[]> {
    const seqs: Seq[] = new Array<Seq>(count).fill(0);
    let answer: Published;
    do {
      answer = await this.peer.expect("published");
      for (const run of answer.runs) {
        for (let i = 0; i < run.count; i += 1) {
          const index = run.n + i - first;
          if (index >= 0 && index < count) seqs[index] = run.seq === 0 ? 0 : run.seq + i;
        }
      }
    } while (answer.upTo < first + count - 1);
    return seqs;
  }

  async subscribe(
    filter: string,
    options: Partial<Omit<Subscribe, "type" | "ref" | "filter">> = {},
  ): Promise<Reception> {
    const ref = this.ref();
    this.peer.send({ type: "subscribe", ref, filter, ...options });
    const answer = await this.peer.answer("subscribed", ref);
    equal(answer.filter, filter, "SUBSCRIBED.filter");
    return new Reception(this.peer, answer);
  }

  async history(filter: string, options: Partial<Omit<Read, "type" | "ref" | "filter">> = {}): Promise<Page> {
    const ref = this.ref();
    this.peer.send({ type: "read", ref, filter, ...options });
    return await this.peer.answer("page", ref);
  }

  /** A SUBSCRIBED that the gateway sends by itself after a resume. */
  async restored(filter: string): Promise<Reception> {
    return new Reception(
      this.peer,
      await this.peer.expect("subscribed", (frame) => frame.ref === 0 && frame.filter === filter),
    );
  }
}

export class World {
  readonly target: Target;
  readonly #scope: string;
  readonly #peers: Peer[] = [];

  constructor(target: Target) {
    this.target = target;
    this.#scope = `conformance.${crypto.randomUUID().slice(0, 13)}`;
  }

  get codec(): Codec {
    return this.target.codec;
  }

  /** A topic (or the beginning of a filter) that nobody else uses. */
  topic(name: string): string {
    return `${this.#scope}.${name}`;
  }

  /** An open socket on which nothing has been said. */
  async dial(): Promise<Peer> {
    const peer = new Peer(this.target);
    this.#peers.push(peer);
    await peer.opened();
    return peer;
  }

  hello(fields: Omit<Hello, "type"> = {}): Hello {
    return {
      type: "hello",
      agent: "weir-conformance",
      ...(this.target.token === undefined ? {} : { token: this.target.token }),
      ...fields,
    };
  }

  async open(fields: Omit<Hello, "type"> = {}): Promise<Client> {
    const peer = await this.dial();
    peer.send(this.hello(fields));
    return new Client(peer, await peer.expect("welcome"));
  }

  /** Loses the socket, comes back with the session's key. */
  async resume(client: Client, fields: Omit<Hello, "type"> = {}): Promise<Client> {
    client.peer.close();
    await client.peer.closed();
    const { session, resumeKey } = client.welcome;
    const back = await this.open({ session, resumeKey, ...fields });
    equal([back.welcome.outcome, back.welcome.session], ["resumed", session], "WELCOME after a resume");
    return back;
  }

  /**
   * Publishes one record to a filter of its own on this connection and waits for it: what was due before
   * it on a live chain has then been sent.
   */
  async flush(client: Client): Promise<void> {
    const topic = this.topic(`flush.${client.ref()}`);
    const marker = await client.subscribe(topic, { qos: 0 });
    await client.publishOne(topic, "marker");
    await marker.take(1);
    await client.peer.fence();
  }

  async end(): Promise<void> {
    for (const peer of this.#peers) peer.close();
    await Promise.allSettled(this.#peers.map((peer) => peer.closed(1_000)));
  }
}

/** Runs one case with a world of its own. */
export async function runCase(one: ConformanceCase, target: Target): Promise<void> {
  const world = new World(target);
  try {
    await one.run(world);
  } finally {
    await world.end();
  }
}
