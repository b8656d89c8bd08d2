/**
 * Request/reply on one node: who is asked, what is refused, and how a request ends when nobody answers it.
 */
import { describe, expect, test } from "bun:test";
import type { FrameOf } from "../conformance/peer.ts";
import { bytes, type Client, text } from "../conformance/world.ts";
import { claims } from "./claims.ts";
import { Stage, SteeredClock, until } from "./stage.ts";

async function serve(client: Client, filter: string): Promise<void> {
  const ref = client.ref();
  client.peer.send({ type: "serve", ref, filter });
  await client.peer.answer("served", ref);
}

/** Asks, and answers the number of the request. */
function ask(client: Client, topic: string, fields: Partial<FrameOf<"request">> = {}): number {
  const ref = client.ref();
  client.peer.send({ type: "request", ref, topic, payload: bytes("q"), ...fields });
  return ref;
}

function respond({ peer }: Client, { ref }: { readonly ref: number }, body: string): void {
  peer.send({ type: "response", ref, payload: bytes(body) });
}

describe("a request", () => {
  test("reaches a client that serves a matching filter, with payload, headers and deadline, and its answer comes back", async () => {
    await using stage = await Stage.open();
    const [server, asker] = [await stage.world().open(), await stage.world().open()];
    expect(asker.welcome.features).toContain("requests");
    await serve(server, "prices.*");
    const ref = ask(asker, "prices.tea", { headers: { k: "v" }, deadlineMs: 4_000 });
    const asked = await server.peer.expect("request");
    expect({ ...asked, payload: text(asked.payload) }).toEqual({
      ...{ type: "request", ref: 1, topic: "prices.tea", payload: "q", headers: { k: "v" }, deadlineMs: 4_000 },
    });
    server.peer.send({ type: "response", ref: 1, payload: bytes("7"), headers: { of: "tea" } });
    const answer = await asker.peer.answer("response", ref);
    expect({ ...answer, payload: text(answer.payload) }).toEqual({
      ...{ type: "response", ref, payload: "7", headers: { of: "tea" } },
    });
    expect([await stage.metric("weir_requests_open"), await stage.metric("weir_requests_serving")]).toEqual([0, 0]);
    expect(await stage.metric('weir_requests_total{outcome="response"}')).toBe(1);
    expect(await stage.metric("weir_request_seconds_count")).toBe(1);
  });

  test("that its responder could not do brings the responder's words, payload and headers", async () => {
    await using stage = await Stage.open();
    const client = await stage.world().open();
    await serve(client, "t");
    const ref = ask(client, "t");
    const asked = await client.peer.expect("request");
    client.peer.send({ type: "response", ref: asked.ref, payload: bytes("why"), error: "sold out" });
    expect(await client.peer.answer("response", ref)).toMatchObject({ error: "sold out", payload: bytes("why") });
    expect(await stage.metric('weir_requests_total{outcome="error"}')).toBe(1);
  });

  test("goes to one of those who serve, to whoever has least to do", async () => {
    await using stage = await Stage.open();
    const [a, b, asker] = [await stage.world().open(), await stage.world().open(), await stage.world().open()];
    await serve(a, "t.*");
    await serve(b, "t.*");
    for (let i = 0; i < 10; i++) ask(asker, `t.${i}`);
    await until(async () => (await stage.metric("weir_requests_serving")) === 10, "all are given");
    await Promise.all([a.peer.fence(), b.peer.fence()]);
    const [toA, toB] = [a.peer.unread("request"), b.peer.unread("request")];
    expect([toA.length, toB.length]).toEqual([5, 5]);
    expect(new Set([...toA, ...toB].map(({ topic }) => topic)).size).toBe(10);
    // Now one of them has nothing to do.
    for (const asked of toA) respond(a, asked, "done");
    await a.peer.fence();
    for (let i = 10; i < 15; i++) ask(asker, `t.${i}`);
    await until(async () => (await stage.metric("weir_requests_serving")) === 10, "they are given too");
    await a.peer.fence();
    expect(a.peer.unread("request").length).toBe(toA.length + 5);
  });

  test("for which nobody serves is refused with noResponders", async () => {
    await using stage = await Stage.open();
    const [client, server] = [await stage.world().open(), await stage.world().open()];
    await serve(server, "t");
    const ref = ask(client, "u");
    expect((await client.peer.refusal("noResponders", (error) => error.ref === ref)).message).toContain('"u"');
    server.peer.send({ type: "unserve", ref: 9, filter: "t" });
    await server.peer.answer("unserved", 9);
    ask(client, "t");
    await client.peer.refusal("noResponders");
  });

  test("is refused for its topic, permission, size, number and count, and the others go on", async () => {
    await using stage = await Stage.open({
      config: { limits: { requestsOpenMax: 2, payloadBytesMax: 100 } },
      authenticator: claims({ publish: ["t", "$x"], subscribe: [">"] }),
    });
    const client = await stage.world().open();
    await serve(client, "t");
    ask(client, "a.*");
    await client.peer.refusal("badTopic");
    ask(client, "$x");
    await client.peer.refusal("reservedTopic");
    ask(client, "u");
    await client.peer.refusal("publishForbidden");
    ask(client, "t", { payload: new Uint8Array(101) });
    await client.peer.refusal("payloadTooLarge");
    ask(client, "t", { headers: { k: "x".repeat(1_025) } });
    await client.peer.refusal("headersTooLarge");
    const [first, second] = [ask(client, "t"), ask(client, "t")];
    client.peer.send({ type: "request", ref: first, topic: "t", payload: bytes("") });
    await client.peer.refusal("unexpectedFrame", ({ ref }) => ref === first);
    ask(client, "t");
    await client.peer.refusal("tooManyRequests");
    for (const asked of [await client.peer.expect("request"), await client.peer.expect("request")])
      respond(client, asked, "ok");
    await client.peer.answer("response", first);
    await client.peer.answer("response", second);
    const third = ask(client, "t");
    respond(client, await client.peer.expect("request"), "ok");
    await client.peer.answer("response", third);
  });

  test("past requestsPerNodeMax is refused, whoever asks", async () => {
    await using stage = await Stage.open({ config: { limits: { requestsPerNodeMax: 1 } } });
    const [one, other] = [await stage.world().open(), await stage.world().open()];
    await serve(one, "t");
    ask(one, "t");
    await one.peer.expect("request");
    ask(other, "t");
    expect((await other.peer.refusal("tooManyRequests")).message).toContain("at this gateway");
  });

  test("finds nobody who has room past requestsServingMax", async () => {
    await using stage = await Stage.open({ config: { limits: { requestsServingMax: 1 } } });
    const [server, asker] = [await stage.world().open(), await stage.world().open()];
    await serve(server, "t");
    const first = ask(asker, "t");
    const asked = await server.peer.expect("request");
    ask(asker, "t");
    expect((await asker.peer.refusal("tooManyRequests")).message).toContain("as many as may");
    respond(server, asked, "ok");
    await asker.peer.answer("response", first);
    ask(asker, "t");
    await server.peer.expect("request");
  });
});

describe("a request that nobody answers", () => {
  test("ends at its deadline on the gateway's clock: the asker is told, the responder hears CANCEL, a late response is ignored", async () => {
    const clock = new SteeredClock();
    await using stage = await Stage.open({ clock });
    const [server, asker] = [await stage.world().open(), await stage.world().open()];
    await serve(server, "t");
    const ref = ask(asker, "t", { deadlineMs: 300 });
    const asked = await server.peer.expect("request");
    clock.advance(299);
    await asker.peer.fence();
    expect(asker.peer.unread("error")).toEqual([]);
    clock.advance(1);
    await asker.peer.refusal("deadlineExceeded", (error) => error.ref === ref);
    expect(await server.peer.expect("cancel")).toEqual({ type: "cancel", ref: asked.ref });
    respond(server, asked, "late");
    await server.peer.fence();
    await asker.peer.fence();
    expect([asker.peer.unread("response"), server.peer.unread("error")]).toEqual([[], []]);
    expect(await stage.metric("weir_requests_open")).toBe(0);
  });

  test("has the gateway's deadline when it names none, and no longer one than the gateway allows", async () => {
    const limits = { requestDeadlineMs: 200, requestDeadlineMsMax: 500 };
    await using stage = await Stage.open({ clock: new SteeredClock(), config: { limits } });
    const client = await stage.world().open();
    await serve(client, "t");
    ask(client, "t");
    ask(client, "t", { deadlineMs: 900 });
    const deadlines = [await client.peer.expect("request"), await client.peer.expect("request")];
    expect(deadlines.map(({ deadlineMs }) => deadlineMs)).toEqual([200, 500]);
  });

  test("ends by CANCEL without an answer, and the responder hears it", async () => {
    await using stage = await Stage.open();
    const [server, asker] = [await stage.world().open(), await stage.world().open()];
    await serve(server, "t");
    const ref = ask(asker, "t");
    const asked = await server.peer.expect("request");
    asker.peer.send({ type: "cancel", ref: ref + 1 }); // of no request
    asker.peer.send({ type: "cancel", ref });
    expect((await server.peer.expect("cancel")).ref).toBe(asked.ref);
    await asker.peer.fence();
    expect([asker.peer.unread("error"), asker.peer.unread("response")]).toEqual([[], []]);
    expect(await stage.metric('weir_requests_total{outcome="cancelled"}')).toBe(1);
  });

  test("ends with the asker's connection, and the responder hears CANCEL", async () => {
    await using stage = await Stage.open();
    const [server, asker] = [await stage.world().open(), await stage.world().open()];
    await serve(server, "t");
    ask(asker, "t");
    const asked = await server.peer.expect("request");
    asker.peer.close();
    expect((await server.peer.expect("cancel")).ref).toBe(asked.ref);
    await until(async () => (await stage.metric("weir_requests_open")) === 0, "nobody waits");
  });

  test("ends with the responder's connection: responderFailed, and the next one is asked elsewhere", async () => {
    await using stage = await Stage.open();
    const [dying, other, asker] = [await stage.world().open(), await stage.world().open(), await stage.world().open()];
    await serve(dying, "t");
    const ref = ask(asker, "t");
    await dying.peer.expect("request");
    await serve(other, "t");
    dying.peer.close();
    await asker.peer.refusal("responderFailed", (error) => error.ref === ref);
    const again = ask(asker, "t");
    respond(other, await other.peer.expect("request"), "ok");
    await asker.peer.answer("response", again);
  });

  test("whose response is too large fails, and the responder is told why", async () => {
    await using stage = await Stage.open({ config: { limits: { payloadBytesMax: 100 } } });
    const client = await stage.world().open();
    await serve(client, "t");
    const ref = ask(client, "t");
    const asked = await client.peer.expect("request");
    client.peer.send({ type: "response", ref: asked.ref, payload: new Uint8Array(101) });
    await client.peer.refusal("payloadTooLarge", (error) => error.ref === asked.ref);
    expect((await client.peer.refusal("responderFailed", (error) => error.ref === ref)).message).toContain("101 bytes");
  });
});

describe("serving", () => {
  test("needs a filter, the subscribe claim for it, and room; the same filter twice is one", async () => {
    await using stage = await Stage.open({
      config: { limits: { filtersServedMax: 2 } },
      authenticator: claims({ publish: [">"], subscribe: ["t.>", "$x"] }),
    });
    const client = await stage.world().open();
    const serving = (filter: string) => client.peer.send({ type: "serve", ref: client.ref(), filter });
    serving("a..b");
    await client.peer.refusal("badFilter");
    serving("$x");
    await client.peer.refusal("reservedTopic");
    serving(">");
    await client.peer.refusal("subscribeForbidden");
    client.peer.send({ type: "unserve", ref: client.ref(), filter: "t.1" });
    await client.peer.refusal("notServed");
    await serve(client, "t.1");
    await serve(client, "t.1");
    await serve(client, "t.2");
    serving("t.3");
    await client.peer.refusal("tooManyServed");
    ask(client, "t.1");
    await client.peer.expect("request");
    await client.peer.fence();
    expect(client.peer.unread("request")).toEqual([]);
  });

  test("ends when a renewed token does not allow it any more, and asking too", async () => {
    const identity = { publish: [">"], subscribe: [">"] };
    await using stage = await Stage.open({ authenticator: claims(identity) });
    const client = await stage.world("any").open();
    await serve(client, "t");
    const ref = ask(client, "t");
    respond(client, await client.peer.expect("request"), "ok");
    await client.peer.answer("response", ref);
    Object.assign(identity, { publish: ["u"], subscribe: ["u"] });
    client.peer.send({ type: "auth", token: "newer" });
    expect(await client.peer.expect("unserved")).toEqual({
      ...{ type: "unserved", ref: 0, filter: "t", cause: "permissionChanged" },
    });
    ask(client, "t");
    await client.peer.refusal("publishForbidden");
  });

  test("belongs to the connection: a resumed session serves nothing", async () => {
    await using stage = await Stage.open();
    const world = stage.world();
    const [client, asker] = [await world.open(), await stage.world().open()];
    await serve(client, "t");
    await world.resume(client);
    ask(asker, "t");
    await asker.peer.refusal("noResponders");
  });
});
