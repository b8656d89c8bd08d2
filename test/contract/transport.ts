/**
 * What every transport does; each adapter runs it from its own few-line test.
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "../support/runner.ts";
import { messageBytesMax, Stage, type TransportRig } from "../support/transport-stage.ts";
import { fill, isClose, isDrain, pauseContract, pressureContract, turn } from "./transport-pressure.ts";

export function transportContract(makeRig: () => TransportRig): void {
  describe(`transport ${makeRig().name}`, () => {
    let stage: Stage;
    beforeEach(async () => {
      stage = new Stage(makeRig());
      await stage.listen();
    });
    afterEach(() => stage.listener.stop({ terminate: true }));
    const staged = (): Stage => stage;
    handshakeContract(staged);
    messageContract(staged);
    endingContract(staged, makeRig());
    fanOutContract(staged);
    pressureContract(staged);
    pauseContract(staged, makeRig());
    listenerContract(staged, makeRig);
  });
}

function handshakeContract(stage: () => Stage): void {
  test("upgrade() is told path, query, origin, host and the offered subprotocols in order", async () => {
    const { seen } = stage().connect({
      url: stage().url("/weir?from=7&x=%20"),
      subprotocols: ["b", "a"],
      origin: "https://x.example",
    });
    await seen.next();
    const host = `127.0.0.1:${stage().listener.port}`;
    const [origin, remoteAddress] = ["https://x.example", "127.0.0.1"];
    expect(stage().requests).toEqual([
      { path: "/weir", query: "from=7&x=%20", origin, host, remoteAddress, subprotocols: ["b", "a"] },
    ]);
  });

  test("upgrade() is told no origin and no subprotocols when the client names none", async () => {
    await stage().pair();
    expect(stage().requests[0]).toMatchObject({ path: "/", query: "", origin: undefined, subprotocols: [] });
  });

  test("both ends know the subprotocol that upgrade() chose", async () => {
    stage().decide = () => ({ accept: true, subprotocol: "b" });
    const { seen } = stage().connect({ subprotocols: ["a", "b"] });
    expect(await seen.next()).toEqual({ kind: "open", subprotocol: "b" });
    expect(stage().sockets.map(({ socket }) => socket.subprotocol)).toEqual(["b"]);
  });

  test("a socket carries the context that upgrade() gave it", async () => {
    const context = { route: "/ws/system" };
    stage().decide = () => ({ accept: true, subprotocol: "", context });
    const { gateway } = await stage().pair();
    expect(gateway.socket.context).toBe(context);
  });

  test("a refused upgrade opens nothing and closes the client's socket with 1006", async () => {
    stage().decide = () => ({ accept: false, status: 400, message: "No known subprotocol" });
    const { seen } = stage().connect();
    expect(await seen.next()).toEqual({ kind: "close", code: 1006, reason: "" });
    expect(stage().sockets).toEqual([]);
  });

  test("remoteAddress is the peer's", async () => {
    const { gateway } = await stage().pair();
    expect(gateway.socket.remoteAddress).toBe("127.0.0.1");
  });
}

function messageContract(stage: () => Stage): void {
  test("text and bytes pass unchanged and in order, both ways", async () => {
    stage().onMessage = (socket, data) => void socket.send(data);
    const { client, seen, gateway } = await stage().pair();
    const sent = ["plain", "grüße 🌊", "", new Uint8Array([0, 255, 128]), new Uint8Array(100_000).fill(7), "last"];
    for (const data of sent) client.send(data);
    await seen.until((happening) => happening.kind === "message" && happening.data === "last");
    expect(seen.messages()).toEqual(sent);
    expect(gateway.seen.messages()).toEqual(sent);
  });

  test("bytes given to message() stay as they are while later ones arrive", async () => {
    const { client, gateway } = await stage().pair();
    const sent = Array.from({ length: 200 }, (_, i) => new Uint8Array(300 + i).fill(i));
    for (const data of sent) client.send(data);
    client.send("last");
    await gateway.seen.until((happening) => happening.kind === "message" && happening.data === "last");
    expect(gateway.seen.messages().slice(0, -1)).toEqual(sent);
  });

  test("send() has copied its bytes when it returns", async () => {
    const { seen, gateway } = await stage().pair();
    const scratch = new Uint8Array([1, 2, 3]);
    expect(gateway.socket.send(scratch)).toBe("sent");
    scratch.fill(9);
    expect(await seen.next()).toEqual({ kind: "message", data: new Uint8Array([1, 2, 3]) });
  });

  test("cork() sends what run sends, in order, also when run closes the socket", async () => {
    const { seen, gateway } = await stage().pair();
    gateway.socket.cork(() => {
      for (const text of ["1", "2", "3"]) gateway.socket.send(text);
    });
    gateway.socket.cork(() => {
      gateway.socket.send("4");
      gateway.socket.close(4000, "done");
    });
    expect(await seen.until(isClose)).toEqual({ kind: "close", code: 4000, reason: "done" });
    expect(seen.messages()).toEqual(["1", "2", "3", "4"]);
    let ran = false;
    gateway.socket.cork(() => {
      ran = true;
    });
    expect(ran).toBe(true);
  });

  test("a message of messageBytesMax passes", async () => {
    const { client, gateway } = await stage().pair();
    client.send(new Uint8Array(messageBytesMax).fill(5));
    expect(await gateway.seen.next()).toEqual({ kind: "message", data: new Uint8Array(messageBytesMax).fill(5) });
  });

  test("a message one byte above messageBytesMax ends the socket with 1009 on both ends", async () => {
    const { client, seen, gateway } = await stage().pair();
    client.send(new Uint8Array(messageBytesMax + 1));
    expect(await gateway.seen.next()).toMatchObject({ kind: "close", code: 1009 });
    expect(await seen.next()).toMatchObject({ kind: "close", code: 1009 });
  });
}

function endingContract(stage: () => Stage, { lacks }: TransportRig): void {
  test("close() by the client reaches the handler once, with code and reason, and is answered with the code", async () => {
    const { client, seen, gateway } = await stage().pair();
    client.send("before");
    client.close(4001, "bye");
    expect(await seen.until(isClose)).toMatchObject({ kind: "close", code: 4001 });
    expect(gateway.seen.all).toEqual([
      { kind: "message", data: "before" },
      { kind: "close", code: 4001, reason: "bye" },
    ]);
  });

  test("close() by the gateway reaches the client after what was sent before, and the handler once", async () => {
    const { seen, gateway } = await stage().pair();
    gateway.socket.send("before");
    gateway.socket.close(4501, "protocolViolation: correct the client");
    gateway.socket.close(4000, "again");
    await seen.until(isClose);
    expect(seen.all.slice(1)).toEqual([
      { kind: "message", data: "before" },
      { kind: "close", code: 4501, reason: "protocolViolation: correct the client" },
    ]);
    await turn();
    expect(gateway.seen.all).toEqual([{ kind: "close", code: 4501, reason: "protocolViolation: correct the client" }]);
  });

  const cutOff = lacks.includes("cutOff") ? 1001 : 1006;
  test(`terminate() ends the gateway's end at once with 1006, the client's with ${cutOff}`, async () => {
    const { seen, gateway } = await stage().pair();
    gateway.socket.terminate();
    expect(gateway.seen.all).toEqual([{ kind: "close", code: 1006, reason: "" }]);
    expect(await seen.next()).toEqual({ kind: "close", code: cutOff, reason: "" });
    expect(gateway.seen.all).toEqual([{ kind: "close", code: 1006, reason: "" }]);
  });

  test("send() on an ended socket answers dropped, and nothing else throws on it", async () => {
    const { gateway } = await stage().pair();
    const { socket } = gateway;
    socket.terminate();
    expect(socket.send("late")).toBe("dropped");
    expect(socket.bufferedBytes()).toBe(0);
    socket.subscribe("c");
    socket.unsubscribe("c");
    socket.pause();
    socket.resume();
    socket.close(4000, "late");
    socket.terminate();
    expect(gateway.seen.all).toHaveLength(1);
  });
}

function fanOutContract(stage: () => Stage): void {
  test("publish() reaches the sockets that are subscribed to the channel and no others", async () => {
    const [one, two, three] = [await stage().pair(), await stage().pair(), await stage().pair()];
    one.gateway.socket.subscribe("c");
    two.gateway.socket.subscribe("c");
    two.gateway.socket.subscribe("other");
    stage().listener.publish("c", "text");
    stage().listener.publish("c", new Uint8Array([1]));
    stage().listener.publish("other", "for two");
    stage().listener.publish("nobody", "lost");
    for (const { gateway } of [one, two, three]) gateway.socket.close(4000, "");
    for (const { seen } of [one, two, three]) await seen.until(isClose);
    expect(one.seen.messages()).toEqual(["text", new Uint8Array([1])]);
    expect(two.seen.messages()).toEqual(["text", new Uint8Array([1]), "for two"]);
    expect(three.seen.messages()).toEqual([]);
  });

  test("publish() and send() keep their order on one socket, around subscribe and unsubscribe", async () => {
    const { seen, gateway } = await stage().pair();
    const { socket } = gateway;
    stage().listener.publish("c", "too early");
    socket.send("1");
    socket.subscribe("c");
    stage().listener.publish("c", "2");
    socket.send("3");
    stage().listener.publish("c", "4");
    socket.unsubscribe("c");
    stage().listener.publish("c", "too late");
    socket.send("5");
    await seen.until((happening) => happening.kind === "message" && happening.data === "5");
    expect(seen.messages()).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("publish() has copied its bytes when it returns", async () => {
    const { seen, gateway } = await stage().pair();
    gateway.socket.subscribe("c");
    const scratch = new Uint8Array([1, 2, 3]);
    stage().listener.publish("c", scratch);
    scratch.fill(9);
    expect(await seen.next()).toEqual({ kind: "message", data: new Uint8Array([1, 2, 3]) });
  });

  test("publish() skips a socket beyond its backpressure limit and reaches the others", async () => {
    const [stalled, reading] = [await stage().pair(), await stage().pair()];
    stalled.gateway.socket.subscribe("c");
    reading.gateway.socket.subscribe("c");
    stalled.client.stall();
    const accepted = await fill(stalled.gateway.socket);
    stage().listener.publish("c", "skipped");
    expect(await reading.seen.next()).toEqual({ kind: "message", data: "skipped" });
    stalled.client.unstall();
    await stalled.gateway.seen.until(isDrain);
    stage().listener.publish("c", "taken");
    await stalled.seen.until((happening) => happening.kind === "message" && happening.data === "taken");
    expect(stalled.seen.messages()).toHaveLength(accepted + 1);
    expect(stalled.seen.messages()).not.toContain("skipped");
  });
}

function listenerContract(stage: () => Stage, makeRig: () => TransportRig): void {
  test("http() answers requests on the same port", async () => {
    const rig = makeRig();
    const other = new Stage(rig);
    await other.listen();
    const response = await rig.fetch(`http://127.0.0.1:${other.listener.port}/health?x=1`, {
      method: "POST",
      body: "x",
    });
    expect([response.status, await response.text()]).toEqual([203, "POST /health"]);
    await other.listener.stop({ terminate: true });
  });

  test("the listener tells its host, its port and that it is not secure", () => {
    const { hostname, port, secure } = stage().listener;
    expect({ hostname, secure }).toEqual({ hostname: "127.0.0.1", secure: false });
    expect(port).toBeGreaterThan(0);
  });

  test("stop() without terminate refuses new sockets and lets open ones go on", async () => {
    stage().onMessage = (socket, data) => void socket.send(data);
    const { client, seen, gateway } = await stage().pair();
    gateway.socket.subscribe("c");
    await stage().listener.stop({ terminate: false });
    expect(await stage().connect().seen.next()).toEqual({ kind: "close", code: 1006, reason: "" });
    client.send("still here");
    expect(await seen.next()).toEqual({ kind: "message", data: "still here" });
    stage().listener.publish("c", "published");
    expect(await seen.next()).toEqual({ kind: "message", data: "published" });
    expect(stage().sockets).toHaveLength(1);
  });

  test("stop() with terminate ends open sockets, also after a stop without", async () => {
    const { seen, gateway } = await stage().pair();
    await stage().listener.stop({ terminate: false });
    await stage().listener.stop({ terminate: true });
    expect(await seen.next()).toMatchObject({ kind: "close" });
    expect(gateway.seen.all).toMatchObject([{ kind: "close" }]);
  });

  test("listen() on a port that is taken fails and names it", async () => {
    const { port } = stage().listener;
    await expect(stage().listen({ port })).rejects.toThrow(`Cannot listen on 127.0.0.1:${port}: EADDRINUSE`);
  });
}
