/**
 * `weir/client/requests` against a peer that does what a test says: what travels, and how each request ends.
 */
import { describe, expect, test } from "bun:test";
import { type Client, WeirError } from "../../src/client/mod.ts";
import { Reply, requests } from "../../src/client/requests.ts";
import { World } from "./world.ts";

const features = ["requests"];
const utf8 = new TextEncoder();
const bytes = (value: unknown) => utf8.encode(JSON.stringify(value));

async function started(): Promise<{ world: World; client: Client; api: ReturnType<typeof requests> }> {
  const world = new World();
  const client = await world.connected({}, { features });
  return { world, client, api: requests(client) };
}

async function failure(promise: Promise<unknown>): Promise<WeirError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof WeirError)) throw new Error(`Not a WeirError: ${String(error)}`);
  return error;
}

describe("request()", () => {
  test("sends value, headers and the time that is left, and resolves with the response", async () => {
    const { world, api } = await started();
    const asked = api.request("prices.tea", { of: 1 }, { headers: { k: "v" }, timeoutMs: 2_000 });
    await world.clock.settle();
    const frame = world.peer.last("request");
    expect(frame).toEqual({
      ...{ type: "request", ref: 1, topic: "prices.tea", payload: bytes({ of: 1 }), headers: { k: "v" } },
      deadlineMs: 2_000,
    });
    world.peer.send({ type: "response", ref: frame.ref, payload: bytes(7), headers: { unit: "EUR" } });
    const response = await asked;
    expect([response.json<number>(), response.text(), response.headers]).toEqual([7, "7", { unit: "EUR" }]);
  });

  test("rejects with the gateway's refusal, and with the responder's own error, which carries the response", async () => {
    const { world, api } = await started();
    const [refused, failed] = [failure(api.request("a", 1)), failure(api.request("b", 2))];
    await world.clock.settle();
    const [first, second] = world.peer.all("request");
    const error = { type: "error", code: 700, cause: "noResponders", message: "Nobody", retryable: true } as const;
    world.peer.send({ ...error, ref: first?.ref ?? 0 });
    world.peer.send({ type: "response", ref: second?.ref ?? 0, payload: bytes("why"), error: "sold out" });
    expect(await refused).toMatchObject({ code: "noResponders", message: "Nobody", retryable: true });
    const { code, message, retryable, cause } = await failed;
    expect([code, message, retryable]).toEqual(["responderError", "sold out", false]);
    expect((cause as { json(): unknown }).json()).toBe("why");
  });

  test("waits for a connection within its time, and sends what is left of it", async () => {
    const world = new World();
    const client = world.connect();
    const asked = requests(client).request("t", 1, { timeoutMs: 5_000 });
    await world.clock.advance(1_000);
    world.peer.welcome({ features });
    await world.clock.settle();
    const { ref, deadlineMs } = world.peer.last("request");
    expect(deadlineMs).toBe(4_000);
    world.peer.send({ type: "response", ref, payload: bytes("ok") });
    expect((await asked).json<string>()).toBe("ok");
  });

  test("rejects when its time is over, and takes it back", async () => {
    const { world, api } = await started();
    const late = failure(api.request("t", 1, { timeoutMs: 300 }));
    await world.clock.advance(300);
    expect(await late).toMatchObject({ code: "deadlineExceeded", retryable: true });
    expect(world.peer.last("cancel")).toEqual({ type: "cancel", ref: 1 });
    world.peer.send({ type: "response", ref: 1, payload: bytes("late") }); // nobody waits for it
    const offline = new World();
    const unsent = failure(requests(offline.connect()).request("t", 1, { timeoutMs: 300 }));
    await offline.clock.advance(300);
    expect((await unsent).code).toBe("deadlineExceeded");
  });

  test("rejects when its signal aborts, before or while it waits, and takes it back", async () => {
    const { world, api } = await started();
    expect(await failure(api.request("t", 1, { signal: AbortSignal.abort("no") }))).toMatchObject({
      ...{ code: "aborted", cause: "no" },
    });
    const controller = new AbortController();
    const asked = failure(api.request("t", 1, { signal: controller.signal }));
    await world.clock.settle();
    controller.abort("gone");
    expect(await asked).toMatchObject({ code: "aborted", cause: "gone" });
    expect(world.peer.all("cancel").length).toBe(1);
  });

  test("rejects with connectionLost when it had been sent, and with the client's end", async () => {
    const { world, client, api } = await started();
    const lost = failure(api.request("t", 1, { timeoutMs: 60_000 }));
    await world.clock.settle();
    world.peer.end(1006);
    expect(await lost).toMatchObject({ code: "connectionLost", retryable: true });
    const waiting = failure(api.request("t", 1, { timeoutMs: 60_000 }));
    await client.close();
    expect((await waiting).code).toBe("closed");
    expect((await failure(api.request("t", 1))).code).toBe("closed");
  });

  test("is refused here for a topic, value, option or time that cannot be", async () => {
    const { api } = await started();
    expect((await failure(api.request("a.*", 1))).code).toBe("badTopic");
    expect((await failure(api.request("a", () => 1))).code).toBe("badArgument");
    expect((await failure(api.request("a", 1, { timeoutMs: 0 }))).message).toContain('"timeoutMs" of request is 0');
    expect((await failure(api.request("a", 1, { timeout: 9 } as object))).message).toBe(
      'Unknown option "timeout" of request; known: headers, timeoutMs, signal',
    );
  });

  test("rejects with featureUnavailable at a gateway that offers no requests", async () => {
    const world = new World();
    const client = await world.connected({}, { features: [] });
    expect((await failure(requests(client).request("t", 1))).code).toBe("featureUnavailable");
    const served = requests(client).serve("t", () => 1);
    expect((await failure(served.ready)).code).toBe("featureUnavailable");
    expect(world.peer.received.map(({ type }) => type)).toEqual(["hello"]);
  });
});

describe("serve()", () => {
  test("answers requests with what the handler returns, with headers, with nothing, or with its error", async () => {
    const { world, api } = await started();
    const served = api.serve("t.*", async ({ topic, headers, deadlineMs }) => {
      if (topic === "t.error") throw new Error("sold out");
      if (topic === "t.reply") return new Reply(new Uint8Array([1]), { of: headers["k"] ?? "" });
      return topic === "t.none" ? undefined : { topic, deadlineMs };
    });
    const { ref } = world.peer.last("serve");
    world.peer.send({ type: "served", ref, filter: "t.*" });
    await served.ready;
    const topics = ["t.json", "t.reply", "t.none", "t.error"];
    topics.forEach((topic, i) => {
      const headers = { k: "v" };
      world.peer.send({ type: "request", ref: i + 1, topic, payload: bytes("q"), headers, deadlineMs: 300 });
    });
    await world.clock.settle();
    const answers = world.peer.all("response").sort((one, other) => one.ref - other.ref);
    expect(answers).toEqual([
      { type: "response", ref: 1, payload: bytes({ topic: "t.json", deadlineMs: 300 }) },
      { type: "response", ref: 2, payload: new Uint8Array([1]), headers: { of: "v" } },
      { type: "response", ref: 3, payload: new Uint8Array() },
      { type: "response", ref: 4, payload: new Uint8Array(), error: "sold out" },
    ]);
  });

  test("aborts the handler's signal on CANCEL and when the connection is lost, and answers no more", async () => {
    const { world, api } = await started();
    const aborted: string[] = [];
    api.serve(">", ({ topic, signal }) => {
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.push(topic);
          resolve("too late");
        });
      });
    });
    for (const [i, topic] of ["cancelled", "lost"].entries())
      world.peer.send({ type: "request", ref: i + 1, topic, payload: bytes("") });
    await world.clock.settle();
    world.peer.send({ type: "cancel", ref: 1 });
    await world.clock.settle();
    expect([aborted, world.peer.all("response")]).toEqual([["cancelled"], []]);
    world.peer.end(1006);
    await world.clock.settle();
    expect(aborted).toEqual(["cancelled", "lost"]);
  });

  test("serves again after every reconnect, until it is stopped; what is under way is still answered", async () => {
    const { world, api } = await started();
    const answer = Promise.withResolvers<string>();
    const served = api.serve("t", () => answer.promise);
    const peer = await world.reconnect();
    peer.welcome({ outcome: "resumed", features });
    expect(peer.all("serve").map(({ filter }) => filter)).toEqual(["t"]);
    peer.send({ type: "request", ref: 1, topic: "t", payload: bytes("") });
    await world.clock.settle();
    served.stop();
    expect(peer.last("unserve").filter).toBe("t");
    answer.resolve("ok");
    peer.send({ type: "request", ref: 2, topic: "t", payload: bytes("") });
    await world.clock.settle();
    expect(peer.all("response").map(({ ref, error }) => [ref, error])).toEqual([
      [2, "t is served here no longer"],
      [1, undefined],
    ]);
    const next = await world.reconnect();
    next.welcome({ outcome: "resumed", features });
    expect(next.all("serve")).toEqual([]);
  });

  test("a filter that the gateway refuses or ends is reported, and not served again", async () => {
    const { world, client, api } = await started();
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    const refused = api.serve("secret", () => 1);
    const error = { type: "error", code: 211, cause: "subscribeForbidden", message: "No", retryable: false } as const;
    world.peer.send({ ...error, ref: world.peer.last("serve").ref });
    expect((await failure(refused.ready)).code).toBe("subscribeForbidden");
    api.serve("t", () => 1);
    world.peer.send({ type: "unserved", ref: 0, filter: "t", cause: "permissionChanged" });
    expect(errors).toEqual(["subscribeForbidden", "subscriptionEnded"]);
    const peer = await world.reconnect();
    peer.welcome({ outcome: "resumed", features });
    expect(peer.all("serve")).toEqual([]);
  });

  test("a filter that the gateway cannot take now is served later, unless it was stopped meanwhile", async () => {
    const { world, api } = await started();
    const error = { type: "error", code: 602, cause: "overloaded", message: "Later", retryable: true } as const;
    const served = api.serve("t", () => 1);
    world.peer.send({ ...error, ref: world.peer.last("serve").ref, retryAfterMs: 500 });
    await world.clock.advance(499);
    expect(world.peer.all("serve").length).toBe(1);
    await world.clock.advance(1);
    world.peer.send({ type: "served", ref: world.peer.last("serve").ref, filter: "t" });
    await served.ready;
    const stopped = api.serve("u", () => 1);
    world.peer.send({ ...error, ref: world.peer.last("serve").ref });
    stopped.stop();
    await world.clock.advance(1_000);
    expect(world.peer.all("serve").map(({ filter }) => filter)).toEqual(["t", "t", "u"]);
  });

  test("takes one handler for a filter, and functions only", async () => {
    const { api } = await started();
    api.serve("t", () => 1);
    expect(() => api.serve("t", () => 2)).toThrow("serves t already");
    expect(() => api.serve("u", 1 as never)).toThrow("not a function");
  });
});
