/**
 * What every transport does when one end does not read: buffers, drops, drains, pauses.
 * @module
 */
import type { Socket } from "../../src/runtime/transport/transport.ts";
import { expect, test } from "../support/runner.ts";
import {
  backpressureBytesMax,
  type Happening,
  heldBytesMax,
  type Stage,
  type TransportRig,
} from "../support/transport-stage.ts";

export const isClose = (happening: Happening): boolean => happening.kind === "close";
export const isDrain = (happening: Happening): boolean => happening.kind === "drain";
const numbered = (n: number, bytes: number): Uint8Array => {
  const data = new Uint8Array(bytes);
  new DataView(data.buffer).setUint32(0, n);
  return data;
};
const numberOf = (data: Uint8Array | string): number => {
  const bytes = data as Uint8Array;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
};
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Lets sockets do what they can do now. */
export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

const chunkBytes = 50_000;
const sendsMax = 5_000;

/** Sends numbered chunks to a reader that is stalled until one is dropped; how many were accepted. */
export async function fill(socket: Socket): Promise<number> {
  for (let n = 0; n < sendsMax; n += 1) {
    const result = socket.send(numbered(n, chunkBytes));
    if (result === "dropped") return n;
    // Hosts that hand bytes to the kernel in the next turns get them.
    for (let turns = 0; turns < 3; turns += 1) await turn();
  }
  throw new Error(`Nothing was dropped in ${sendsMax} sends`);
}

export function pressureContract(stage: () => Stage): void {
  test("frames of every size arrive whole at a reader that stalls and goes on", async () => {
    const { client, seen, gateway } = await stage().pair();
    const sizes = [5, 125, 126, 16_383, 16_384, 65_535, 65_536, 150_000];
    const accepted: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      client.stall();
      for (let n = 0; gateway.socket.bufferedBytes() === 0 && n < sendsMax; n += 1) {
        const size = sizes[n % sizes.length] as number;
        if (gateway.socket.send(numbered(n, size)) !== "dropped") accepted.push(`${n} of ${size}`);
        for (let turns = 0; turns < 3; turns += 1) await turn();
      }
      client.unstall();
      await gateway.seen.until(isDrain);
    }
    gateway.socket.send("end");
    await seen.until((happening) => happening.kind === "message" && happening.data === "end");
    const whole = seen.messages().slice(0, -1);
    expect(whole.map((data) => `${numberOf(data)} of ${data.length}`)).toEqual(accepted);
  });

  test("send() to a stalled reader is congested, then dropped; all that was accepted arrives, then drain", async () => {
    const { client, seen, gateway } = await stage().pair();
    client.stall();
    const accepted = await fill(gateway.socket);
    const buffered = gateway.socket.bufferedBytes();
    expect(buffered).toBeGreaterThan(backpressureBytesMax);
    expect(buffered).toBeLessThan(backpressureBytesMax + 2 * chunkBytes);
    expect(gateway.seen.all).toEqual([]);
    client.unstall();
    await gateway.seen.until(isDrain);
    expect(gateway.socket.bufferedBytes()).toBe(0);
    expect(gateway.socket.send("end")).not.toBe("dropped");
    await seen.until((happening) => happening.kind === "message" && happening.data === "end");
    expect(seen.messages().slice(0, -1).map(numberOf)).toEqual(upTo(accepted));
  });

  test("close() on a congested socket waits for its buffer", async () => {
    const { client, seen, gateway } = await stage().pair();
    client.stall();
    const accepted = await fill(gateway.socket);
    gateway.socket.subscribe("c");
    gateway.socket.close(4002, "slowConsumer: read faster");
    stage().listener.publish("c", "after the end");
    expect(gateway.socket.send("after the end")).toBe("dropped");
    expect(gateway.seen.all).toEqual([]);
    client.unstall();
    expect(await seen.until(isClose)).toEqual({ kind: "close", code: 4002, reason: "slowConsumer: read faster" });
    expect(seen.messages().map(numberOf)).toEqual(upTo(accepted));
    expect(gateway.seen.all).toEqual([{ kind: "close", code: 4002, reason: "slowConsumer: read faster" }]);
  });

  test("terminate() ends a congested socket that is closing already", async () => {
    const { client, gateway } = await stage().pair();
    client.stall();
    await fill(gateway.socket);
    gateway.socket.close(4002, "slowConsumer: read faster");
    gateway.socket.terminate();
    expect(await gateway.seen.next()).toMatchObject({ kind: "close", code: 1006 });
    expect(gateway.socket.bufferedBytes()).toBe(0);
  });
}

export function pauseContract(stage: () => Stage, { lacks }: TransportRig): void {
  test("send() works on a paused socket", async () => {
    const { seen, gateway } = await stage().pair();
    gateway.socket.pause();
    gateway.socket.send("down");
    expect(await seen.next()).toEqual({ kind: "message", data: "down" });
  });

  if (lacks.includes("stopReading")) return heldContract(stage);
  test("pause() stops reading until the peer has to buffer; resume() loses nothing", async () => {
    const { client, gateway } = await stage().pair();
    gateway.socket.pause();
    let sent = 0;
    while (client.bufferedBytes() < 1_000_000 && sent < sendsMax) {
      client.send(numbered(sent, chunkBytes));
      sent += 1;
      await turn();
    }
    expect(client.bufferedBytes()).toBeGreaterThanOrEqual(1_000_000);
    expect(gateway.seen.all).toEqual([]);
    gateway.socket.resume();
    client.send("end");
    await gateway.seen.until((happening) => happening.kind === "message" && happening.data === "end");
    expect(gateway.seen.messages().slice(0, -1).map(numberOf)).toEqual(upTo(sent));
  });
}

/** For a host that cannot stop reading. */
function heldContract(stage: () => Stage): void {
  test("pause() keeps what arrives until resume(), in order with what comes later", async () => {
    const { client, gateway } = await stage().pair();
    const isLast = (happening: Happening): boolean => happening.kind === "message" && happening.data === "last";
    gateway.socket.pause();
    for (let n = 0; n < 10; n += 1) client.send(numbered(n, chunkBytes));
    while (client.bufferedBytes() > 0) await turn();
    expect(gateway.seen.all).toEqual([]);
    stage().onMessage = (socket, data) => {
      if (typeof data !== "string" && numberOf(data) === 3) socket.pause();
    };
    gateway.socket.resume();
    await gateway.seen.until((happening) => happening.kind === "message" && numberOf(happening.data) === 3);
    for (let turns = 0; turns < 5; turns += 1) await turn();
    expect(gateway.seen.messages().map(numberOf)).toEqual(upTo(4));
    gateway.socket.resume();
    client.send("last");
    await gateway.seen.until(isLast);
    expect(gateway.seen.messages().slice(0, -1).map(numberOf)).toEqual(upTo(10));
  });

  test("pause() ends the socket with 1013 past heldBytesMax, and hands nothing of it over", async () => {
    const { client, seen, gateway } = await stage().pair();
    gateway.socket.pause();
    for (let n = 0; n * chunkBytes <= heldBytesMax; n += 1) client.send(numbered(n, chunkBytes));
    expect(await seen.until(isClose)).toMatchObject({ kind: "close", code: 1013 });
    gateway.socket.resume();
    await turn();
    expect(gateway.seen.all).toMatchObject([{ kind: "close", code: 1013 }]);
  });
}
