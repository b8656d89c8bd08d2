/** Plain JSON sockets: who may read what, from where on, without a hole, however slowly. */
import { describe, expect, test } from "bun:test";
import { listActors } from "../../src/ops/replay/inspect.ts";
import { whyOf } from "../../src/ops/replay/why.ts";
import { causeNames } from "../../src/protocol/cause.ts";
import { closeCodes } from "../../src/protocol/close-code.ts";
import { anonymousAuthenticator } from "../../src/runtime/auth.ts";
import { plainRoutes, plainRoutesDefault } from "../../src/runtime/plain/route.ts";
import type { Authenticator } from "../../src/runtime/ports.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { Stage, type StageOptions, until } from "./stage.ts";

type Message = {
  readonly type: string;
  readonly data: never;
  readonly timestamp: string;
  readonly position: string;
  readonly topic?: string;
};
const routes = { plainRoutes: plainRoutes(plainRoutesDefault) };
const open = (options: StageOptions = {}): Promise<Stage> =>
  Stage.open({ ...options, config: { ...routes, ...options.config } });

/** One bare WebSocket, as a browser's. */
class Plain {
  readonly messages: Message[] = [];
  readonly socket: WebSocket;
  closed: { code: number } | undefined;

  constructor(stage: Stage, path: string, subprotocols: string[] = []) {
    this.socket = new WebSocket(stage.url.replace(/\/$/, path), subprotocols);
    this.socket.addEventListener(
      "message",
      ({ data }) => void this.messages.push(JSON.parse(data as string) as Message),
    );
    this.socket.addEventListener("close", ({ code }) => {
      this.closed = { code };
    });
  }
  of(type: string): Message[] {
    return this.messages.filter((message) => message.type === type);
  }
  async until(fact: (plain: Plain) => boolean, what: string): Promise<this> {
    await until(
      () => fact(this),
      `${what}, got ${JSON.stringify(this.messages.slice(-3))} ${JSON.stringify(this.closed)}`,
    );
    return this;
  }
  async leave(): Promise<void> {
    this.socket.close();
    await this.until(({ closed }) => closed !== undefined, "the end");
  }
}

function publish(stage: Stage, topic: string, ...values: unknown[]): Promise<unknown> {
  const records = values.map((value) => ({
    topic,
    lane: 2 as const,
    payload: new TextEncoder().encode(JSON.stringify(value)),
  }));
  return stage.gateway.control().publish({ records });
}
const entry = (line: number) => ({ type: "log_entry", data: { line }, timestamp: "2026-01-01T00:00:00Z" });
const lines = (plain: Plain): number[] => plain.of("log_entry").map(({ data }) => (data as { line: number }).line);

/** `good` may read execution.1 alone. */
const byToken: Authenticator = {
  async authenticate(token) {
    if (token === undefined) return { ok: false, code: "unauthenticated", message: "A token is required" };
    if (token !== "good") return { ok: false, code: "tokenInvalid", message: "No" };
    return { ok: true, identity: { subject: "ann", publish: [], subscribe: ["execution.1"] } };
  },
};

describe("a plain JSON socket", () => {
  test("gets what is published as {type, data, timestamp, position}, whatever the payload is", async () => {
    await using stage = await open();
    const plain = await new Plain(stage, "/ws/execution/1").until((one) => one.of("subscribed").length === 1, "begin");
    await publish(stage, "execution.1", entry(1), { type: "step_progress", percent: 40 }, [1, 2], "text");
    await publish(stage, "execution.2", entry(9));
    const bytes = { topic: "execution.1", lane: 2 as const, payload: new Uint8Array([255, 0]) };
    await stage.gateway.control().publish({ records: [bytes] });
    await plain.until(({ messages }) => messages.length === 6, "six messages");
    const { epoch } = stage.log.info();
    expect(plain.messages[1]).toEqual({
      type: "log_entry",
      data: { line: 1 } as never,
      timestamp: "2026-01-01T00:00:00Z",
      position: `${epoch}:1`,
      topic: "execution.1",
    });
    expect(plain.messages.slice(2).map(({ type, data }) => ({ type, data }) as unknown)).toEqual([
      { type: "step_progress", data: { percent: 40 } },
      { type: "message", data: [1, 2] },
      { type: "message", data: "text" },
      { type: "message", data: { base64: "/wA=" } },
    ]);
    expect(new Date(plain.messages[3]?.timestamp ?? "").getTime()).toBeGreaterThan(Date.now() - 60_000);
    const [view] = stage.gateway.inspect().connections("", 1).items;
    expect(view).toMatchObject({ codec: "plain", state: "open", framesOut: 6 });
  });

  test("goes on from a position without a hole and without a copy, from the beginning, and from a time", async () => {
    await using stage = await open();
    for (let line = 1; line <= 50; line++) await publish(stage, "system", entry(line));
    const first = new Plain(stage, "/ws/system?from=all");
    await first.until((one) => lines(one).length === 50, "50 lines");
    const position = first.of("log_entry")[19]?.position ?? "";
    await first.leave();
    const second = new Plain(stage, `/ws/system?from=${encodeURIComponent(position)}`);
    await second.until((one) => lines(one).length === 30, "the rest");
    for (let line = 51; line <= 60; line++) await publish(stage, "system", entry(line));
    await second.until((one) => lines(one).length === 40, "live lines");
    expect(lines(second)).toEqual(Array.from({ length: 40 }, (_, i) => i + 21));
    const later = new Plain(stage, `/ws/system?from=${new Date(Date.now() + 60_000).toISOString()}`);
    await later.until((one) => one.of("subscribed").length === 1, "begin");
    expect(lines(later)).toEqual([]);
  });

  test("with a position of another log is refused with the cause, and gets nothing as if it were a resume", async () => {
    await using stage = await open();
    await publish(stage, "system", entry(1));
    const plain = new Plain(stage, "/ws/system?from=another:7");
    await plain.until(({ closed }) => closed !== undefined, "the end");
    expect(plain.closed?.code).toBe(closeCodes.sessionEnded.code);
    const [closing, ...others] = plain.messages;
    expect([closing?.type, closing?.data, others]).toMatchObject(["closing", { cause: "epochChanged" }, []]);
    // Whoever goes on from the position of that message misses nothing of this log.
    const after = new Plain(stage, `/ws/system?from=${encodeURIComponent(closing?.position ?? "")}`);
    await after.until((one) => lines(one).length === 1, "the line");
  });

  test("is known to whyOf() after it has ended, with its cause, however it ended", async () => {
    await using stage = await open({ authenticator: byToken });
    const [mute, left] = [
      new Plain(stage, "/ws/execution/1", ["weir.plain", "weir.token.bad"]),
      new Plain(stage, "/ws/execution/1", ["weir.plain", "weir.token.good"]),
    ];
    await left.until((one) => one.of("subscribed").length === 1, "begin");
    const { id } = stage.gateway
      .inspect()
      .connections("", 9)
      .items.find(({ subject }) => subject === "ann") as never;
    await left.leave();
    await mute.until(({ closed }) => closed !== undefined, "the end");
    const ended = async () => (await listActors(stage.log, { kind: "connection", max: 9 })).actors;
    await until(async () => (await ended()).length === 2, "both are journalled");
    const causes = await Promise.all(
      (await ended()).map(async ({ kind, id: one }) => (await whyOf(stage.log, { kind, id: one }))[0]?.cause),
    );
    expect(causes.sort()).toEqual(["socketClosed 1005", "tokenInvalid"]);
    const [why] = await whyOf(stage.log, { kind: "connection", id });
    expect(why?.sentence).toContain('"ann" from 127.0.0.1, open for ');
  });

  test("is told which records retention took, and gets the rest", async () => {
    await using stage = await open();
    for (let line = 1; line <= 30; line++) await publish(stage, "system", entry(line));
    await stage.log.trim({ ageMs: 0, bytes: 0, records: 10 });
    const { epoch, firstSeq } = stage.log.info();
    const plain = new Plain(stage, `/ws/system?from=${epoch}:2`);
    await plain.until((one) => lines(one).at(-1) === 30, "the last line");
    expect(firstSeq).toBeGreaterThan(3);
    expect(plain.of("trimmed")[0]?.data).toEqual({ first: firstSeq } as never);
    expect(lines(plain)).toEqual(Array.from({ length: 31 - firstSeq }, (_, i) => firstSeq + i));
  });

  test("of a client that reads nothing costs its place in the log and no more, and misses nothing", async () => {
    await using stage = await open({ config: { backpressureBytesMax: 1_048_576 } });
    const received: string[] = [];
    const opened = Promise.withResolvers<void>();
    const slow = rawWebSocket({
      url: stage.url.replace(/\/$/, "/ws/system?from=all"),
      subprotocols: [],
      events: { open: () => opened.resolve(), message: (data) => void received.push(data as string), close() {} },
    });
    await opened.promise;
    slow.stall();
    const filler = "x".repeat(20_000);
    for (let line = 1; line <= 1_000; line++)
      await publish(stage, "system", { type: "log_entry", data: { line, filler } });
    const view = () => stage.gateway.inspect().connections("", 1).items[0];
    await until(() => view()?.state === "congested", "a congested socket");
    expect(view()?.bufferedBytes).toBeLessThan(1_048_576);
    slow.unstall();
    const told = () => received.map((text) => JSON.parse(text) as Message).filter(({ type }) => type === "log_entry");
    await until(() => told().length === 1_000, "everything");
    expect(told().map(({ data }) => (data as { line: number }).line)).toEqual(
      Array.from({ length: 1_000 }, (_, i) => i + 1),
    );
    slow.close(1000, "");
  }, 30_000);
});

describe("who may read a plain JSON socket", () => {
  test("a token comes as the first message or as a subprotocol", async () => {
    await using stage = await open({ authenticator: byToken });
    const first = new Plain(stage, "/ws/execution/1");
    await first.until(({ socket }) => socket.readyState === WebSocket.OPEN, "an open socket");
    expect(first.messages).toEqual([]);
    first.socket.send(JSON.stringify({ type: "auth", token: "good" }));
    const second = new Plain(stage, "/ws/execution/1", ["weir.plain", "weir.token.good"]);
    for (const plain of [first, second]) await plain.until((one) => one.of("subscribed").length === 1, "begin");
    expect([first.socket.protocol, second.socket.protocol]).toEqual(["", "weir.plain"]);
    expect(
      stage.gateway
        .inspect()
        .connections("", 9)
        .items.map(({ subject }) => subject),
    ).toEqual(["ann", "ann"]);
  });

  test("a wrong token, one that does not cover the topic, and none at all end it with their reasons", async () => {
    await using stage = await open({ authenticator: byToken, config: { limits: { handshakeMs: 200 } } });
    const wrong = new Plain(stage, "/ws/execution/1", ["weir.plain", "weir.token.bad"]);
    const other = new Plain(stage, "/ws/execution/2", ["weir.plain", "weir.token.good"]);
    const none = new Plain(stage, "/ws/execution/1");
    for (const plain of [wrong, other, none]) await plain.until(({ closed }) => closed !== undefined, "the end");
    expect([wrong, other, none].map(({ closed }) => closed?.code)).toEqual([
      closeCodes.unauthenticated.code,
      closeCodes.forbidden.code,
      closeCodes.unauthenticated.code,
    ]);
    expect(none.of("closing")[0]?.data).toMatchObject({ cause: "noToken" } as never);
    expect(JSON.stringify(none.of("closing"))).not.toContain("HELLO");
    expect(causeNames).toContain("noToken");
    expect(wrong.of("closing")[0]?.data).toMatchObject({ cause: "tokenInvalid" } as never);
    await until(() => stage.gateway.inspect().node().connections === 0, "no connection");
    expect(stage.gateway.inspect().totals().handshakesFailed).toBe(3);
  });

  test("anonymous clients read what they may, and end when their permission is another topic", async () => {
    const authenticator = anonymousAuthenticator({ publish: [], subscribe: ["system"] });
    await using stage = await open({ authenticator, config: { limits: { handshakeMs: 200 } } });
    await new Plain(stage, "/ws/system").until((one) => one.of("subscribed").length === 1, "begin");
    await new Plain(stage, "/ws/monitor").until(({ closed }) => closed !== undefined, "the end");
  });

  test("operators see it, end it, and drain it", async () => {
    await using stage = await open();
    const ended = new Plain(stage, "/ws/system");
    await ended.until((one) => one.of("subscribed").length === 1, "begin");
    const [view] = stage.gateway.inspect().connections("", 1).items;
    stage.gateway.control().disconnect(view?.id ?? "", "test");
    await ended.until(({ closed }) => closed?.code === closeCodes.disconnected.code, "4304");
    const drained = new Plain(stage, "/ws/system");
    await drained.until((one) => one.of("subscribed").length === 1, "begin");
    stage.gateway.control().drain({ reason: "deploy" });
    await drained.until(({ closed }) => closed?.code === closeCodes.goingAway.code, "4000");
    expect(stage.gateway.inspect().node().connections).toBe(0);
  });

  test("what a client sends beside a token is answered, and ends the socket when it does not stop", async () => {
    await using stage = await open({ config: { limits: { errorsPerConnectionMax: 3 } } });
    const plain = new Plain(stage, "/ws/system");
    await plain.until((one) => one.of("subscribed").length === 1, "begin");
    plain.socket.send('{"type":"ping"}');
    await plain.until((one) => one.of("pong").length === 1, "pong");
    for (const text of ["no json", '{"type":"subscribe"}', "3", ""]) plain.socket.send(text);
    await plain.until(({ closed }) => closed?.code === closeCodes.tooManyErrors.code, "the end");
    expect(plain.of("error")).toHaveLength(4);
  });
});

describe("the upgrade of a plain JSON socket", () => {
  const upgrade = async (
    stage: Stage,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<[number, string]> => {
    const response = await fetch(stage.url.replace("ws", "http").replace(/\/$/, path), {
      headers: {
        Upgrade: "websocket",
        Connection: "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...headers,
      },
    });
    return [response.status, (await response.text()).trim()];
  };

  test("is refused with what is wrong: the path's value, the query, the origin, the subprotocol", async () => {
    await using stage = await open();
    expect(await upgrade(stage, "/ws/execution/a.b")).toEqual([
      400,
      "{id} is not one token of a topic: it holds a dot",
    ]);
    for (const id of ["*", "%3E", "%20", "%ff"]) expect((await upgrade(stage, `/ws/execution/${id}`))[0]).toBe(400);
    expect(await upgrade(stage, "/ws/system?token=x")).toEqual([400, "Unknown parameter token, expected from"]);
    expect((await upgrade(stage, "/ws/system?from=yesterday"))[0]).toBe(400);
    expect((await upgrade(stage, "/ws/system", { Origin: "https://evil.example" }))[0]).toBe(403);
    expect((await upgrade(stage, "/ws/system", { "Sec-WebSocket-Protocol": "mqtt" }))[0]).toBe(400);
    expect((await upgrade(stage, "/ws/nothing"))[0]).toBe(404);
    expect((await upgrade(stage, "/ws/execution"))[0]).toBe(404);
  });
});
