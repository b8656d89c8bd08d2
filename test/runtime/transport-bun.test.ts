/** The Bun transport keeps the contract, and what only a real server has: TLS, HTTP answers to a refused upgrade. */
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunTransport } from "../../src/runtime/transport/bun.ts";
import { transportContract } from "../contract/transport.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { Stage, type TransportRig } from "../support/transport-stage.ts";

const rig = (): TransportRig => ({ name: "bun", transport: bunTransport(), connect: rawWebSocket, fetch });
transportContract(rig);

const openssl = Bun.which("openssl");

/** A certificate for 127.0.0.1 that nobody signed. */
function selfSigned(): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), "weir-tls-"));
  try {
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const request = [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-days",
      "1",
    ];
    const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert];
    const made = Bun.spawnSync(["openssl", ...request, ...subject]);
    if (!made.success) throw new Error(made.stderr.toString());
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("bunTransport()", () => {
  let stage: Stage | undefined;
  afterEach(() => stage?.listener.stop({ terminate: true }));
  const listen = async (): Promise<Stage> => {
    stage = new Stage(rig());
    await stage.listen();
    return stage;
  };
  const events = { open() {}, message() {}, close() {} };

  test("answers a refused upgrade with its status and a text", async () => {
    const { listener } = await listen();
    (stage as Stage).decide = () => ({
      accept: false,
      status: 403,
      message: "Origin https://x.example is not allowed",
    });
    const client = rawWebSocket({ url: `ws://127.0.0.1:${listener.port}/`, subprotocols: [], events });
    expect(await client.answer).toMatchObject({ status: 403 });
    expect((await client.answer).text).toContain("Origin https://x.example is not allowed");
  });

  test("answers 400 to an upgrade that is not WebSocket's", async () => {
    const { listener } = await listen();
    const headers = { Connection: "Upgrade", Upgrade: "websocket" };
    const response = await fetch(`http://127.0.0.1:${listener.port}/`, { headers });
    expect([response.status, await response.text()]).toEqual([400, "Not a valid WebSocket upgrade\n"]);
  });

  test("hides what an http handler throws", async () => {
    const handlers = { ...new Stage(rig()).handlers(), http: () => Promise.reject(new Error("secret place")) };
    const listener = await bunTransport().listen(new Stage(rig()).options(), handlers);
    const response = await fetch(`http://127.0.0.1:${listener.port}/`);
    expect([response.status, await response.text()]).toEqual([500, "Internal error\n"]);
    await listener.stop({ terminate: true });
  });

  test("speaks with a WebSocket client that checks the subprotocol", async () => {
    const { listener } = await listen();
    (stage as Stage).decide = () => ({ accept: true, subprotocol: "weir.v1.json" });
    (stage as Stage).onMessage = (socket, data) => void socket.send(data);
    const client = new WebSocket(`ws://127.0.0.1:${listener.port}/`, ["weir.v1.msgpack", "weir.v1.json"]);
    const echo = Promise.withResolvers<unknown>();
    client.onmessage = (event) => echo.resolve(event.data);
    client.onopen = () => client.send("hello");
    expect(await echo.promise).toBe("hello");
    expect(client.protocol).toBe("weir.v1.json");
  });

  test.skipIf(openssl === null)("serves wss and https with the given certificate (needs openssl)", async () => {
    const tls = selfSigned();
    stage = new Stage(rig());
    await stage.listen({ tls });
    stage.onMessage = (socket, data) => void socket.send(data);
    const { port, secure } = stage.listener;
    expect(secure).toBe(true);
    const response = await fetch(`https://127.0.0.1:${port}/x`, { tls: { ca: tls.cert } });
    expect(await response.text()).toBe("GET /x");
    const client = new WebSocket(`wss://127.0.0.1:${port}/`, { tls: { ca: tls.cert } } as unknown as string[]);
    const echo = Promise.withResolvers<unknown>();
    client.onmessage = (event) => echo.resolve(event.data);
    client.onerror = () => echo.reject(new Error("wss failed"));
    client.onopen = () => client.send("over TLS");
    expect(await echo.promise).toBe("over TLS");
    await expect(fetch(`http://127.0.0.1:${port}/x`)).rejects.toThrow();
  });
});
