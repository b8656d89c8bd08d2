/**
 * What every transport with a real server does beyond test/contract/transport.ts: HTTP in detail, refused
 * upgrades, TLS.
 * @module
 */
import { get } from "node:https";
import type { Listener } from "../../src/runtime/transport/transport.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { afterEach, describe, expect, test } from "../support/runner.ts";
import { hasOpenssl, selfSigned } from "../support/self-signed.ts";
import { Stage, type TransportRig } from "../support/transport-stage.ts";

type Http = (request: Request, remoteAddress: string) => Response | Promise<Response>;
/** As `WebSocket`, also where the runtime has none. */
type WebSocketClass = typeof WebSocket;

const events = { open() {}, message() {}, close() {} };

export function serverTransportContract(makeRig: () => TransportRig, webSocket: WebSocketClass): void {
  describe(`transport ${makeRig().name} as a server`, () => {
    const opened: Listener[] = [];
    afterEach(async () => {
      for (const listener of opened.splice(0)) await listener.stop({ terminate: true });
    });
    const listen = async (tls?: { cert: string; key: string }): Promise<Stage> => {
      const stage = new Stage(makeRig());
      await stage.listen(tls === undefined ? {} : { tls });
      opened.push(stage.listener);
      return stage;
    };
    /** Where plain HTTP goes to `http`. */
    const serve = async (http: Http): Promise<string> => {
      const stage = new Stage(makeRig());
      const listener = await makeRig().transport.listen(stage.options(), { ...stage.handlers(), http });
      opened.push(listener);
      return `http://127.0.0.1:${listener.port}`;
    };
    httpContract(serve);
    upgradeContract(listen, webSocket);
    tlsContract(listen);
  });
}

function httpContract(serve: (http: Http) => Promise<string>): void {
  test("http() is told method, path, query, headers, body and who asks, and answers with status, headers and body", async () => {
    const url = await serve(async (request, remoteAddress) => {
      const { pathname, search } = new URL(request.url);
      const told = [
        request.method,
        pathname,
        search,
        request.headers.get("x-asked"),
        await request.text(),
        remoteAddress,
      ];
      return new Response(JSON.stringify(told), { status: 201, headers: { "X-Answered": "yes" } });
    });
    const body = "grüße".repeat(1_000);
    const response = await fetch(`${url}/a/b?c=1&d=2`, { method: "PUT", body, headers: { "X-Asked": "yes" } });
    expect([response.status, response.headers.get("x-answered")]).toEqual([201, "yes"]);
    expect(await response.json()).toEqual(["PUT", "/a/b", "?c=1&d=2", "yes", body, "127.0.0.1"]);
  });

  test("http() answers HEAD with the headers and without the body", async () => {
    const url = await serve(() => new Response("body", { headers: { "Content-Type": "text/plain" } }));
    const response = await fetch(url, { method: "HEAD" });
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      200,
      "text/plain",
      "",
    ]);
  });

  test("http() that streams events is passed on as it comes, and cancelled when its reader goes", async () => {
    let cancel = (): void => {};
    const cancelled = new Promise<void>((resolve) => {
      cancel = resolve;
    });
    let next = 0;
    const url = await serve(() => {
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          if (next < 2) controller.enqueue(new TextEncoder().encode(`data: ${next++}\n\n`));
        },
        cancel: () => cancel(),
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    });
    const abort = new AbortController();
    const response = await fetch(url, { signal: abort.signal });
    const decoder = new TextDecoder();
    let told = "";
    const reader = response.body?.getReader();
    while (!told.endsWith("1\n\n")) told += decoder.decode((await reader?.read())?.value, { stream: true });
    expect([response.headers.get("content-type"), told]).toEqual(["text/event-stream", "data: 0\n\ndata: 1\n\n"]);
    abort.abort();
    await cancelled;
  });

  test("http() that throws is answered with 500, and what it threw stays hidden", async () => {
    const url = await serve(() => Promise.reject(new Error("secret place")));
    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([500, "Internal error\n"]);
  });

  test("http() that answers after its client has gone harms nobody", async () => {
    const answers: (() => void)[] = [];
    const url = await serve(
      ({ url: asked }) =>
        new Promise((resolve) => {
          const answer = (): void => resolve(new Response("late"));
          if (asked.endsWith("/slow")) answers.push(answer);
          else answer();
        }),
    );
    const client = new AbortController();
    const slow = fetch(`${url}/slow`, { signal: client.signal });
    while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
    client.abort();
    await expect(slow).rejects.toThrow();
    for (const answer of answers) answer();
    expect(await (await fetch(`${url}/quick`)).text()).toBe("late");
  });
}

function upgradeContract(listen: () => Promise<Stage>, webSocket: WebSocketClass): void {
  test("a refused upgrade is answered with its status and a text", async () => {
    const stage = await listen();
    const message = "Origin https://x.example is not allowed";
    stage.decide = () => ({ accept: false, status: 403, message });
    const client = rawWebSocket({ url: stage.url(), subprotocols: [], events });
    const { status, text } = await client.answer;
    expect(status).toBe(403);
    expect(text.includes(message)).toBe(true);
  });

  test("an upgrade that is not WebSocket's is answered with 400", async () => {
    const stage = await listen();
    const client = rawWebSocket({ url: stage.url(), subprotocols: [], key: "", events });
    const { status, text } = await client.answer;
    expect([status, text.includes("Not a valid WebSocket upgrade")]).toEqual([400, true]);
  });

  test("a WebSocket client that checks the subprotocol is served", async () => {
    const stage = await listen();
    stage.decide = () => ({ accept: true, subprotocol: "weir.v1.json" });
    stage.onMessage = (socket, data) => void socket.send(data);
    const client = new webSocket(stage.url(), ["weir.v1.msgpack", "weir.v1.json"]);
    const echo = new Promise<unknown>((resolve) => {
      client.onmessage = (event) => resolve(event.data);
    });
    client.onopen = () => client.send("hello");
    expect(await echo).toBe("hello");
    expect(client.protocol).toBe("weir.v1.json");
  });
}

function tlsContract(listen: (tls: { cert: string; key: string }) => Promise<Stage>): void {
  test.skipIf(!hasOpenssl)("wss and https are served with the given certificate (needs openssl)", async () => {
    const tls = selfSigned();
    const stage = await listen(tls);
    stage.onMessage = (socket, data) => void socket.send(data);
    const { port, secure } = stage.listener;
    expect(secure).toBe(true);
    expect(await textOver(`https://127.0.0.1:${port}/x`, tls.cert)).toBe("GET /x");
    const echo = new Promise<unknown>((resolve, reject) => {
      const client = rawWebSocket({
        url: `wss://127.0.0.1:${port}/`,
        subprotocols: [],
        ca: tls.cert,
        events: { open: () => client.send("over TLS"), message: resolve, close: () => reject(new Error("closed")) },
      });
    });
    expect(await echo).toBe("over TLS");
    await expect(fetch(`http://127.0.0.1:${port}/x`)).rejects.toThrow();
  });
}

function textOver(url: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, async (response) => {
      let text = "";
      for await (const chunk of response) text += String(chunk);
      resolve(text);
    }).on("error", reject);
  });
}
