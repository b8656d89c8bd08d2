/** Publishing and reading records over REST, and what is told as events. */
import { describe, expect, test } from "bun:test";
import { events, RestStage } from "./rest-stage.ts";

type Record = { seq: number; topic: string; encoding: string; payload: unknown; position: string; headers: object };
type Page = { items: Record[]; next?: string };
const texts = (page: never): unknown[] => (page as Page).items.map(({ payload }) => payload);

async function publishMany(stage: RestStage, topic: string, count: number, from = 1): Promise<void> {
  const records = Array.from({ length: count }, (_, i) => ({ topic, payload: from + i }));
  const { status } = await stage.call("POST", "/api/v1/publish", { body: { records } });
  expect(status).toBe(200);
}

describe("publish", () => {
  test("stores JSON, text and bytes of a batch in one step, with lane, headers and who published", async () => {
    await using stage = await RestStage.open();
    const records = [
      { topic: "a.json", payload: { n: 1 }, lane: "critical", headers: { trace: "t" } },
      { topic: "a.text", text: "plain words" },
      { topic: "a.bytes", base64: "/wA=" },
    ];
    const published = await stage.call("POST", "/api/v1/publish", { as: "operator", body: { records } });
    expect(published.body).toEqual({ seqs: [1, 2, 3], duplicate: false } as never);
    const { body } = await stage.call("GET", "/api/v1/topics/a.%3E/records", { as: "viewer" });
    expect((body as Page).items).toMatchObject([
      {
        seq: 1,
        lane: "critical",
        encoding: "json",
        payload: { n: 1 },
        headers: { trace: "t", "weir-publisher": "key otto" },
      },
      { seq: 2, lane: "normal", encoding: "text", payload: "plain words", bytes: 11 },
      { seq: 3, encoding: "base64", payload: "/wA=", bytes: 2 },
    ]);
    const bytes = new Uint8Array([1, 2, 255]);
    const one = await stage.call("POST", "/api/v1/publish?topic=a.raw&lane=low", { body: bytes });
    expect(one.body).toEqual({ seqs: [4], duplicate: false } as never);
    const [stored] = (await stage.log.read({ filter: "a.raw", after: 0, recordsMax: 1, bytesMax: 1 })).records;
    expect([stored?.payload, stored?.lane]).toEqual([bytes, 3]);
  });

  test("with an idempotency key is stored once, a key is of its caller, and of one request", async () => {
    await using stage = await RestStage.open();
    const body = { records: [{ topic: "a", payload: 1 }] };
    const headers = { "Idempotency-Key": "order-7" };
    expect((await stage.call("POST", "/api/v1/publish", { body, headers })).body).toEqual({
      seqs: [1],
      duplicate: false,
    } as never);
    expect((await stage.call("POST", "/api/v1/publish", { body, headers })).body).toEqual({
      seqs: [1],
      duplicate: true,
    } as never);
    const other = await stage.call("POST", "/api/v1/publish", { body, headers, as: "operator" });
    expect(other.body).toEqual({ seqs: [2], duplicate: false } as never);
    const changed = { records: [{ topic: "a", payload: 2 }] };
    const refused = await stage.call("POST", "/api/v1/publish", { body: changed, headers });
    expect([refused.status, refused.body]).toMatchObject([422, { cause: "keyUsedForAnother" }]);
    expect(stage.log.info().records).toBe(2);
  });

  test("stores nothing of a batch of which one record is refused, and says which", async () => {
    await using stage = await RestStage.open();
    const body = {
      records: [
        { topic: "a", payload: 1 },
        { topic: "a.*", payload: 1 },
      ],
    };
    const wild = await stage.call("POST", "/api/v1/publish", { body });
    expect([wild.status, wild.body]).toMatchObject([422, { cause: "badTopic", errors: [{ at: "$.records[1]" }] }]);
    const large = await stage.call("POST", "/api/v1/publish?topic=a", { body: new Uint8Array(600_000) });
    expect([large.status, large.body]).toMatchObject([413, { cause: "payloadTooLarge" }]);
    const both = await stage.call("POST", "/api/v1/publish", {
      body: { records: [{ topic: "a", text: "x", payload: 1 }] },
    });
    expect(both.status).toBe(400);
    const reserved = await stage.call("POST", "/api/v1/publish", {
      body: { records: [{ topic: "$dead.a", payload: 1 }] },
    });
    expect(reserved.body).toMatchObject({ cause: "reservedTopic" });
    expect(stage.log.info().records).toBe(0);
  });

  test("needs the role operator or a claim that covers every topic", async () => {
    await using stage = await RestStage.open();
    const body = {
      records: [
        { topic: "orders.eu", payload: 1 },
        { topic: "orders.us", payload: 1 },
      ],
    };
    expect((await stage.call("POST", "/api/v1/publish", { as: "viewer", body })).status).toBe(403);
    const some = await stage.token("svc", { publish: ["orders.eu"] });
    expect((await stage.call("POST", "/api/v1/publish", { token: some, body })).body).toMatchObject({
      cause: "publishForbidden",
    });
    const all = await stage.token("svc", { publish: ["orders.*"] });
    expect((await stage.call("POST", "/api/v1/publish", { token: all, body })).status).toBe(200);
  });
});

describe("history", () => {
  test("comes in pages, forward and backward, and a walk misses nothing", async () => {
    await using stage = await RestStage.open();
    await publishMany(stage, "a", 25);
    const walk = async (query: string): Promise<unknown[]> => {
      const seen: unknown[] = [];
      for (let cursor = ""; ; ) {
        const { body } = await stage.call("GET", `/api/v1/topics/a/records?max=10&cursor=${cursor}${query}`);
        seen.push(...texts(body));
        const { next } = body as Page;
        if (next === undefined) return seen;
        cursor = next;
      }
    };
    const numbers = Array.from({ length: 25 }, (_, i) => i + 1);
    expect(await walk("")).toEqual(numbers);
    expect(await walk("&backward=true")).toEqual(numbers.toReversed());
    expect(await walk("&backward=true&from=all")).toEqual(numbers.toReversed());
    const { body } = await stage.call("GET", "/api/v1/topics/a/records?max=1&backward=true");
    const [last] = (body as Page).items;
    await publishMany(stage, "a", 2, 26);
    const from = encodeURIComponent(last?.position ?? "");
    expect(texts((await stage.call("GET", `/api/v1/topics/a/records?from=${from}`)).body)).toEqual([26, 27]);
    expect((await stage.call("GET", "/api/v1/topics/a/records?from=another:3")).status).toBe(409);
    expect((await stage.call("GET", "/api/v1/topics/a/records?cursor=-1")).status).toBe(400);
  });

  test("is read with the role viewer or a claim that covers the filter", async () => {
    await using stage = await RestStage.open();
    await publishMany(stage, "orders.eu", 1);
    const token = await stage.token("svc", { subscribe: ["orders.eu"] });
    expect((await stage.call("GET", "/api/v1/topics/orders.eu/records", { token })).status).toBe(200);
    expect((await stage.call("GET", "/api/v1/topics/orders.%3E/records", { token })).status).toBe(403);
  });

  test("topics are listed with their newest record, in pages", async () => {
    await using stage = await RestStage.open();
    for (const topic of ["a", "b", "a.c"]) await publishMany(stage, topic, 2);
    const first = await stage.call("GET", "/api/v1/topics?max=2");
    expect(first.body).toMatchObject({
      items: [
        { topic: "a", lastSeq: 2 },
        { topic: "b", lastSeq: 4 },
      ],
      next: "4",
    });
    const rest = await stage.call("GET", "/api/v1/topics?max=2&cursor=4");
    expect((rest.body as { items: object[] }).items).toMatchObject([{ topic: "a.c", lastSeq: 6 }]);
    expect((await stage.call("GET", "/api/v1/topics?filter=a..b")).status).toBe(400);
  });
});

describe("events", () => {
  test("of records go on with Last-Event-ID without a hole, and end with the client", async () => {
    await using stage = await RestStage.open();
    const follow = (headers: { [name: string]: string } = {}, signal?: AbortSignal): Promise<Response> =>
      fetch(`${stage.url}/api/v1/topics/a/records?from=all`, {
        headers: { Accept: "text/event-stream", Authorization: "Bearer key-of-vera", ...headers },
        ...(signal === undefined ? {} : { signal }),
      });
    await publishMany(stage, "a", 3);
    const first = await events(await follow(), 2);
    expect(first.map(({ event, data }) => [event, (data as Record).payload])).toEqual([
      ["record", 1],
      ["record", 2],
    ]);
    const abort = new AbortController();
    const stream = await follow({ "Last-Event-ID": first[1]?.id ?? "" }, abort.signal);
    const rest = events(stream, 4);
    await publishMany(stage, "a", 3, 4);
    expect((await rest).map(({ data }) => (data as Record).payload)).toEqual([3, 4, 5, 6]);
    abort.abort();
    const { body } = await stage.call("GET", "/admin/stats");
    expect((body as { eventStreams: number }).eventStreams).toBeLessThanOrEqual(1);
  });

  test("of a resource tell its answer, and again when it has changed, at most once a second", async () => {
    await using stage = await RestStage.open();
    const stream = await stage.request("GET", "/api/v1/topics", {
      as: "viewer",
      headers: { Accept: "text/event-stream" },
    });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    const began = performance.now();
    const two = events(stream, 2);
    for (let i = 0; i < 5; i++) await publishMany(stage, `t${i}`, 1);
    const told = await two;
    expect(told.map(({ event }) => event)).toEqual(["change", "change"]);
    expect(told.map(({ data }) => (data as { items: object[] }).items.length)).toEqual([0, 5]);
    expect(performance.now() - began).toBeGreaterThan(900);
  });

  test("of a resource end when the key is withdrawn, and all streams are let go of", async () => {
    await using stage = await RestStage.open();
    const headers = { Accept: "text/event-stream" };
    const streams = [
      await stage.request("GET", "/api/v1/topics", { as: "viewer", headers }),
      await stage.request("GET", "/api/v1/topics/a/records", { as: "viewer", headers }),
    ];
    const open = async (): Promise<number> =>
      ((await stage.call("GET", "/admin/stats")).body as { eventStreams: number }).eventStreams;
    expect(await open()).toBe(2);
    stage.keys = stage.keys.filter((key) => !key.startsWith("vera"));
    await Promise.all(streams.map((stream) => events(stream, 99)));
    expect(await open()).toBe(0);
  }, 20_000);

  test("a stream that cannot begin is an answer like any other", async () => {
    await using stage = await RestStage.open();
    const { status, body } = await stage.call("GET", "/api/v1/sessions/none", {
      headers: { Accept: "text/event-stream" },
    });
    expect([status, body]).toMatchObject([404, { cause: "notFound" }]);
  });
});
