/**
 * Garbage on the port (raw TCP, half requests, broken WebSocket frames, damaged frames of every codec) ends the
 * connections that sent it and nothing else: a healthy pair goes on exactly once, and nothing of it stays.
 */
import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { fromClient } from "../../src/protocol/all-frames.ts";
import type { Codec } from "../../src/protocol/codec.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame, FrameType, Hello } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import { Peer } from "../conformance/peer.ts";
import { type PublishText, texts, World } from "../conformance/world.ts";
import { fullFrame } from "../support/arbitraries.ts";
import { below, mutateBytes, mutateText, type Random, seeded } from "../support/mutate.ts";
import { Served } from "./served.ts";
import { until } from "./stage.ts";

const mebibyte = 1_048_576;
const growthMax = 64 * mebibyte;
const rawConnections = 300;
const rawAtOnce = 20;
const mutatedFrames = 20_000;
/** Before memory is measured: code is compiled and the recent records are filled by then. */
const warmUpFrames = 8_000;
const peersAtOnce = 12;
const framesPerBurst = 32;
const waitMs = 15_000;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Nothing of it outlives its connection. */
const hello: Hello = { type: "hello", agent: "fuzz", resumeWindowMs: 0 };
const usual: readonly Frame[] = [
  { type: "publish", first: 1, records: [{ topic: "garbage.a", payload: bytes('{"n":1}') }] },
  { type: "publish", records: Array.from({ length: 9 }, () => ({ topic: "garbage.b", payload: bytes("2"), lane: 0 })) },
  {
    type: "subscribe",
    ref: 1,
    filter: "garbage.*",
    qos: 2,
    start: { kind: "all" },
    window: { records: 9, bytes: 900 },
  },
  { type: "subscribe", ref: 2, filter: "garbage.>", qos: 0, congestion: "conflate" },
  { type: "unsubscribe", ref: 3, filter: "garbage.*" },
  { type: "ack", upTo: [{ chain: 6, seq: 1 }], only: [{ chain: 6, seq: 1 }] },
  { type: "nak", chain: 6, seq: 1, delayMs: 1, reason: "fuzz" },
  { type: "credit", filter: "garbage.*", records: 0, bytes: 0, holes: [{ chain: 6, seq: 0 }] },
  { type: "begin", tx: 1 },
  { type: "publish", tx: 1, records: [{ topic: "garbage.tx", payload: bytes("3") }] },
  { type: "commit", tx: 1 },
  { type: "rollback", tx: 1 },
  { type: "read", ref: 4, filter: "garbage.>", backward: true, limit: 2 },
  { type: "ping", id: 7 },
];
const bases: readonly Frame[] = [...usual, ...[...fromClient].map((type) => fullFrame(type as FrameType))];

// --- damaged frames over valid WebSockets ---

function damaged(codec: Codec, random: Random): Uint8Array | string {
  const pick = () => codec.encode(bases[below(random, bases.length)] as Frame);
  const [one, other] = [pick(), pick()];
  return typeof one === "string"
    ? mutateText(one, other as string, random)
    : mutateBytes(one, other as Uint8Array, random);
}

function fatal(codec: Codec, data: Uint8Array | string): boolean {
  const decoded = codec.decode(data, limits);
  return !decoded.ok && decoded.code !== "unknownFrame" && decoded.code !== "badFrameShape";
}

class DamagedFrames {
  readonly #url: string;
  readonly #random: Random;
  #left: number;
  /** Connections that the gateway ended. */
  ended = 0;

  constructor(url: string, frames: number, seed: number) {
    this.#url = url;
    this.#left = frames;
    this.#random = seeded(seed);
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: peersAtOnce }, (_, i) => this.#lane(i)));
  }

  async #lane(number: number): Promise<void> {
    const codec = Object.values(codecs)[number % 3] as Codec;
    while (this.#left > 0) {
      const peer = new Peer({ url: this.#url, codec, waitMs });
      await peer.opened();
      peer.send(hello);
      while (this.#left > 0 && (await this.#burst(peer)));
      peer.close();
      await peer.closed();
    }
  }

  /** A frame that leads somewhere, then damaged ones. Resolves when the gateway has handled them; false: it closed. */
  async #burst(peer: Peer): Promise<boolean> {
    peer.send(usual[below(this.#random, usual.length)] as Frame);
    const burst = Array.from({ length: framesPerBurst }, () => damaged(peer.codec, this.#random));
    // What ends the connection comes last, and one of it: nothing after it is looked at.
    const end = burst.find((one) => fatal(peer.codec, one));
    const frames = burst.filter((one) => !fatal(peer.codec, one));
    if (end !== undefined) frames.push(end);
    for (const data of frames) peer.sendRaw(data);
    this.#left -= frames.length;
    const open = await peer.fence().then(
      () => true,
      () => false,
    );
    if (open) return true;
    const { code } = await peer.closed();
    // By the gateway's decision, or by the WebSocket layer (text that is no UTF-8); never by a lost socket.
    expect(code).not.toBe(1006);
    this.ended++;
    return false;
  }
}

// --- garbage over TCP ---

const upgrade = (host: string): string =>
  `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: weir.v1.json\r\n\r\n";

const randomBytes = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => below(random, 256));

/** Heads of WebSocket frames that break a rule each. */
const brokenHeads: readonly (readonly number[])[] = [
  [0x81, 0x05], // not masked
  [0xf1, 0x85, 0, 0, 0, 0], // reserved bits
  [0x83, 0x80, 0, 0, 0, 0], // reserved opcode
  [0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0], // a ping that is too long
  [0x09, 0x80, 0, 0, 0, 0], // a ping in fragments
  [0x80, 0x80, 0, 0, 0, 0], // goes on with nothing
  [0x01, 0x81, 0, 0, 0, 0, 0x7b], // begins and does not end
  [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], // longer than memory
  [0x88, 0x81, 0, 0, 0, 0, 0x03], // half a close code
  [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], // no UTF-8
];

function garbage(random: Random, host: string): Uint8Array {
  const request = bytes(upgrade(host));
  const noise = randomBytes(random, 1 + below(random, 400));
  switch (below(random, 3)) {
    case 0:
      return noise;
    case 1:
      return request.slice(0, 1 + below(random, request.length - 1));
    default: {
      const head = brokenHeads[below(random, brokenHeads.length)] as readonly number[];
      return Uint8Array.from([...request, ...head, ...noise]);
    }
  }
}

async function rawGarbage(gateway: Served, seed: number): Promise<void> {
  const random = seeded(seed);
  const { hostname, port, host } = new URL(gateway.url);
  for (let sent = 0; sent < rawConnections; sent += rawAtOnce) {
    const sockets = await Promise.all(
      Array.from({ length: rawAtOnce }, () => written({ hostname, port: Number(port) }, garbage(random, host))),
    );
    // Answered after what came before on the gateway's loop.
    expect((await health(gateway)).status).toBe("ok");
    for (const socket of sockets) socket.destroy();
  }
}

function written(at: { readonly hostname: string; readonly port: number }, data: Uint8Array): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(at.port, at.hostname, () => socket.write(data, () => resolve(socket)));
    socket.on("error", () => resolve(socket));
    socket.resume();
  });
}

// --- the healthy pair ---

async function health(gateway: Served): Promise<{ readonly status: string; readonly websocket: object }> {
  return (await fetch(`${gateway.url.replace("ws", "http")}health`)).json();
}

/** Exchanges records until `work` is done; answers how many. */
async function exchangeDuring(world: World, work: Promise<unknown>): Promise<number> {
  const topic = world.topic("pair");
  const [publisher, subscriber] = [await world.open(), await world.open()];
  const reception = await subscriber.subscribe(topic, { qos: 2 });
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  // Awaited below; a failure must not count as unhandled meanwhile.
  ended.catch(() => undefined);
  let sent = 0;
  while (!done || sent === 0) {
    const items: PublishText[] = Array.from({ length: 20 }, () => ({ topic, text: String(++sent) }));
    const published = await publisher.publish(items);
    const got = await reception.take(items.length);
    expect(texts(got)).toEqual(items.map(({ text }) => text));
    expect(got.map(({ seq }) => seq)).toEqual(published);
    reception.ack();
  }
  await ended;
  await subscriber.peer.fence();
  expect(await reception.pending()).toEqual([]);
  return sent;
}

test("a gateway under 300 connections of garbage and 20 000 damaged frames serves a healthy pair exactly once and keeps nothing", async () => {
  await using gateway = await Served.start();
  await new DamagedFrames(gateway.url, warmUpFrames, 1).run();
  const before = gateway.memory().anonymousBytes;
  const framesBefore = await gateway.metric("weir_frames_in_total");

  const world = new World({ url: gateway.url, codec: codecs.msgpack, handshakeMs: limits.handshakeMs, waitMs });
  const frames = new DamagedFrames(gateway.url, mutatedFrames, 2);
  const exchanged = await exchangeDuring(world, Promise.all([frames.run(), rawGarbage(gateway, 3)]));

  expect(gateway.running).toBe(true);
  expect(exchanged).toBeGreaterThan(1_000);
  expect(frames.ended).toBeGreaterThan(1_000);
  expect((await gateway.metric("weir_frames_in_total")) - framesBefore).toBeGreaterThan(mutatedFrames * 0.8);
  const onlyThePair = JSON.stringify({ connections: 2, sessions: 2 });
  await until(
    async () => JSON.stringify((await health(gateway)).websocket) === onlyThePair,
    "only the pair is connected, and no other session is held",
  );
  const growth = gateway.memory().anonymousBytes - before;
  expect(growth).toBeLessThan(growthMax);
  await world.end();
}, 60_000);
