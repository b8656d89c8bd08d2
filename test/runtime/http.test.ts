import { describe, expect, test } from "bun:test";
import { httpHandler } from "../../src/runtime/http.ts";
import { bunTransport } from "../../src/runtime/transport/bun.ts";

const health = {
  status: "ok",
  version: "0.1.0",
  uptimeMs: 12_345,
  websocket: { connections: 3, sessions: 2 },
  log: { epoch: "e", tier: "disk", firstSeq: 1, lastSeq: 9, records: 9, bytes: 900, transactions: true, shared: false },
} as const;

function handler(reasons: string[] = []) {
  const metrics = { contentType: "text/plain; version=0.0.4", text: async () => "websocket_connections 3\n" };
  return httpHandler({ health: () => health, ready: () => ({ reasons }), metrics });
}
const ask = (path: string, init?: RequestInit, reasons?: string[]): Promise<Response> =>
  handler(reasons)(new Request(`http://127.0.0.1:8080${path}`, init), "127.0.0.1");

describe("httpHandler()", () => {
  test("/health tells what the gateway is doing", async () => {
    const response = await ask("/health?x=1");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual(health);
  });

  test("/ready answers 200, or 503 with the reasons why clients may not come", async () => {
    const yes = await ask("/ready");
    expect([yes.status, await yes.json()]).toEqual([200, { ready: true }]);
    const no = await ask("/ready", {}, ["the log is full"]);
    expect([no.status, await no.json()]).toEqual([503, { ready: false, reasons: ["the log is full"] }]);
  });

  test("/metrics answers the exposition with its content type", async () => {
    const response = await ask("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4");
    expect(await response.text()).toBe("websocket_connections 3\n");
  });

  test("/ names the subprotocols", async () => {
    const body = await (await ask("/")).text();
    for (const name of ["weir.v1.msgpack", "weir.v1.protobuf", "weir.v1.json"]) expect(body).toContain(name);
  });

  test("answers an unknown path with a 404 problem", async () => {
    const response = await ask("/helth");
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toEqual({
      type: "about:blank",
      title: "Not found",
      status: 404,
      detail: "Nothing is at /helth; try /, /health, /ready, /metrics",
    });
  });

  test("answers another method with a 405 problem and the methods allowed", async () => {
    const response = await ask("/health", { method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect(await response.json()).toMatchObject({ status: 405, detail: "/health answers GET and HEAD, not DELETE" });
  });

  test("answers HEAD without a body on a real server", async () => {
    const bounds = { messageBytesMax: 1_000, backpressureBytesMax: 1_000, heldBytesMax: 1_000 };
    const listener = await bunTransport().listen(
      { hostname: "127.0.0.1", port: 0, ...bounds },
      {
        upgrade: () => ({ accept: false, status: 400, message: "no" }),
        open: () => ({ message() {}, drain() {}, close() {} }),
        http: handler(),
      },
    );
    const response = await fetch(`http://127.0.0.1:${listener.port}/health`, { method: "HEAD" });
    expect([response.status, await response.text()]).toEqual([200, ""]);
    await listener.stop({ terminate: true });
  });
});
