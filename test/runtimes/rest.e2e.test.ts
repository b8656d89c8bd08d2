/** REST, events and plain JSON sockets on each runtime that a gateway runs on. */
import { expect, test } from "bun:test";
import { keyDigest } from "../../src/ops/rest/access.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { HostedGateway } from "./hosted-gateway.ts";
import { hosts } from "./hosts.ts";

const timeoutMs = 60_000;
const key = "a key of this test";
const options = ["--log", "memory:", `--security.apiKeys=test:admin:${keyDigest(key.replaceAll(" ", "-"))}`];
const headers = { Authorization: `Bearer ${key.replaceAll(" ", "-")}` };

async function textUntil(body: ReadableStream<Uint8Array> | null, wanted: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes(wanted)) return text;
  }
  throw new Error(`The stream ended without ${wanted}: ${text}`);
}

for (const host of hosts) {
  const reason = host.missing === undefined ? "" : ` (skipped: ${host.missing})`;
  test.skipIf(host.missing !== undefined)(
    `REST, events and plain JSON sockets work on ${host.name}${reason}`,
    async () => {
      await using gateway = await HostedGateway.start(await host.weir(), options);
      const http = gateway.url.replace("ws", "http").replace(/\/$/, "");
      expect((await fetch(`${http}/api/v1/nodes`)).status).toBe(401);
      expect(await (await fetch(`${http}/openapi.json`)).json()).toMatchObject({ openapi: "3.1.0" });
      expect((await fetch(`${http}/docs`)).headers.get("content-security-policy")).toStartWith("default-src 'none'");

      const abort = new AbortController();
      const records = await fetch(`${http}/api/v1/topics/execution.7/records?from=all`, {
        headers: { ...headers, Accept: "text/event-stream" },
        signal: abort.signal,
      });
      const told = textUntil(records.body, "step two");
      const received: string[] = [];
      const last = Promise.withResolvers<void>();
      const socket = rawWebSocket({
        url: `${gateway.url.replace(/\/$/, "")}/ws/execution/7?from=all`,
        subprotocols: ["weir.plain"],
        events: {
          open() {},
          message: (data) => {
            received.push(data as string);
            if ((data as string).includes("step two")) last.resolve();
          },
          close: () => last.reject(new Error(`The socket closed after ${received.join()}`)),
        },
      });
      for (const text of ["step one", "step two"]) {
        const body = JSON.stringify({
          records: [{ topic: "execution.7", payload: { type: "log_entry", data: text } }],
        });
        const answer = await fetch(`${http}/api/v1/publish`, {
          method: "POST",
          headers: { ...headers, "Content-Type": "application/json" },
          body,
        });
        expect(answer.status).toBe(200);
      }
      expect((await told).match(/^event: record$/gm)).toHaveLength(2);
      abort.abort();
      await last.promise;
      expect(received.map((text) => (JSON.parse(text) as { data: unknown }).data).slice(-2)).toEqual([
        "step one",
        "step two",
      ]);
      socket.close(1000, "");
      const page = (await (await fetch(`${http}/api/v1/topics/execution.7/records`, { headers })).json()) as {
        items: object[];
      };
      expect(page.items).toHaveLength(2);
      expect(await gateway.stop()).toBe(0);
    },
    timeoutMs,
  );
}
