/** The in-process transport keeps the contract, and has faults that strike the same way every time. */
import { beforeEach, describe, expect, test } from "bun:test";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { type Link, type MemoryNetwork, memoryNetwork } from "../../src/runtime/transport/memory.ts";
import type { Socket } from "../../src/runtime/transport/transport.ts";
import { transportContract } from "../contract/transport.ts";
import { ManualClock } from "../support/manual-clock.ts";
import type { TransportRig } from "../support/transport-stage.ts";

transportContract((): TransportRig => {
  const network = memoryNetwork({ clock: systemClock(), random: systemRandom() });
  return {
    name: "memory",
    lacks: [],
    transport: network.transport,
    fetch: network.fetch,
    connect({ url, subprotocols, origin, events }) {
      const link = network.connect({ url, subprotocols, events, ...(origin === undefined ? {} : { origin }) });
      return { ...link.socket, stall: () => link.stall(), unstall: () => link.unstall() };
    },
  };
});

/** What happened, in one list for both ends. */
type World = { clock: ManualClock; network: MemoryNetwork; trace: string[]; sockets: Socket[]; kept: Uint8Array[] };
const url = "ws://gateway:80/";

async function world(latencyMs: () => number = () => 1): Promise<World> {
  const clock = new ManualClock();
  const network = memoryNetwork({ clock, random: { next: () => 0.5, token: () => "" }, latencyMs, kernelBytes: 1_000 });
  const made: World = { clock, network, trace: [], sockets: [], kept: [] };
  const options = {
    hostname: "gateway",
    port: 80,
    messageBytesMax: 10_000,
    backpressureBytesMax: 5_000,
    heldBytesMax: 5_000,
  };
  await network.transport.listen(options, {
    upgrade: () => ({ accept: true, subprotocol: "p" }),
    http: () => new Response("ok"),
    open(socket) {
      made.sockets.push(socket);
      return {
        message(data) {
          made.trace.push(`gateway got ${String(data)}`);
          if (typeof data !== "string") made.kept.push(data);
        },
        drain: () => void made.trace.push("gateway drain"),
        close: (code) => void made.trace.push(`gateway close ${code}`),
      };
    },
  });
  return made;
}

function join({ network, trace, clock }: World, name = "client"): Link {
  const link = network.connect({
    url,
    events: {
      open: () => void trace.push(`${name} open`),
      message: (data) => void trace.push(`${name} got ${String(data)}`),
      close: (code) => void trace.push(`${name} close ${code}`),
    },
  });
  clock.advance(30);
  trace.length = 0;
  return link;
}

describe("memoryNetwork()", () => {
  let w: World;
  let link: Link;
  beforeEach(async () => {
    w = await world();
    link = join(w);
  });
  const gateway = (): Socket => w.sockets[0] as Socket;

  test("delivers after the link's latency and never before an older message", () => {
    const latencies = [50, 1];
    link.setLatency(() => latencies.shift() ?? 1);
    gateway().send("slow");
    gateway().send("fast");
    w.clock.advance(49);
    expect(w.trace).toEqual([]);
    w.clock.advance(1);
    expect(w.trace).toEqual(["client got slow", "client got fast"]);
  });

  test("halfOpen() tells nobody and lets nothing pass; the client's close ends by its own timeout", () => {
    link.halfOpen();
    link.socket.send("up");
    gateway().send("down");
    w.clock.advance(60_000);
    link.socket.close(4000, "bye");
    w.clock.advance(9_999);
    expect(w.trace).toEqual([]);
    w.clock.advance(1);
    expect(w.trace).toEqual(["client close 1006"]);
    gateway().terminate();
    expect(w.trace).toEqual(["client close 1006", "gateway close 1006"]);
  });

  test("halfOpen() stays cut after unstall() and resume()", () => {
    link.halfOpen();
    gateway().pause();
    gateway().resume();
    link.unstall();
    link.socket.send("up");
    gateway().send("down");
    w.clock.advance(100);
    expect(w.trace).toEqual([]);
  });

  test("reset() loses what is under way and ends both ends with 1006", () => {
    gateway().send("lost");
    link.socket.send("lost too");
    link.reset();
    w.clock.advance(100);
    expect(w.trace).toEqual(["gateway close 1006", "client close 1006"]);
    expect(w.network.links()).toEqual([]);
  });

  test("stall() lets the gateway's bytes pile up, unstall() lets them go", () => {
    link.stall();
    const results = Array.from({ length: 9 }, () => gateway().send("x".repeat(1_000)));
    expect(results).toEqual(["sent", ...Array(6).fill("congested"), "dropped", "dropped"]);
    w.clock.advance(1_000);
    expect(w.trace).toEqual([]);
    expect(gateway().bufferedBytes()).toBe(6_000);
    link.unstall();
    w.clock.advance(100);
    expect(w.trace.filter((line) => line.startsWith("client got"))).toHaveLength(7);
    expect(w.trace.filter((line) => line === "gateway drain")).toHaveLength(1);
  });

  test("crash() resets every client and calls no handler of the dead gateway", () => {
    link.socket.send("under way");
    w.network.crash();
    w.clock.advance(100);
    expect(w.trace).toEqual(["client close 1006"]);
    expect(() => join(w)).not.toThrow();
    expect(w.sockets).toHaveLength(1);
  });

  test("a client that gives up while connecting is closed once, and the gateway with it", () => {
    const early = w.network.connect({
      url,
      events: { open: () => w.trace.push("open"), message() {}, close: (code) => w.trace.push(`early close ${code}`) },
    });
    w.clock.advance(1);
    early.socket.close(1000, "");
    w.clock.advance(100);
    expect(w.trace).toEqual(["early close 1006", "gateway close 1006"]);
  });

  test("send() before open throws", () => {
    const early = w.network.connect({ url, events: { open() {}, message() {}, close() {} } });
    expect(() => early.socket.send("x")).toThrow("Cannot send: the socket is still connecting");
  });

  test("connecting where nobody listens closes with 1006", async () => {
    w.network.openSocket("ws://nowhere:1/", "p", {
      open() {},
      message() {},
      close: (code) => w.trace.push(`close ${code}`),
    });
    w.clock.advance(10);
    expect(w.trace).toEqual(["close 1006"]);
    await expect(w.network.fetch("http://nowhere:1/")).rejects.toThrow("nobody listens");
  });

  test("the same latencies give the same trace", async () => {
    const run = async (): Promise<string[]> => {
      let n = 0;
      const again = await world(() => (n = (n * 7 + 3) % 11));
      const links = [join(again, "a"), join(again, "b"), join(again, "c")];
      for (let round = 0; round < 20; round += 1) {
        for (const [index, each] of links.entries()) each.socket.send(`${index}:${round}`);
        for (const socket of again.sockets) socket.send(`down ${round}`);
        again.clock.advance(2);
      }
      again.clock.advance(1_000);
      return again.trace;
    };
    const first = await run();
    expect(first).toHaveLength(120);
    expect(await run()).toEqual(first);
  });
});
