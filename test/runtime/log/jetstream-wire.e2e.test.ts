/**
 * The way past the client library is taken with the library that is installed, after a reconnect too; and what goes that
 * way arrives as the library would have brought it.
 */
import { expect, test } from "bun:test";
import { connect } from "@nats-io/transport-node";
import { wireOf } from "../../../src/runtime/log/jetstream/wire.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startTcpProxy } from "../../support/nats-proxy.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { until } from "./jetstream-load.ts";

const header = "name: üñ\r\n";
const payload = (text: string): Uint8Array => new TextEncoder().encode(text);

for (const line of natsLines) {
  await describeOnNats(line, "wireOf()", () => {
    test("carries messages past the library's own reader, also after a reconnect", async () => {
      await using server = await startNatsServer({ line });
      await using proxy = await startTcpProxy(server.port);
      const nc = await connect({ servers: `127.0.0.1:${proxy.port}`, reconnectTimeWait: 50 });
      const wire = wireOf(nc);
      const received: string[] = [];
      let libraryRead = 0;
      wire.subscribe("there.*", ({ subject, reply, headers, bytes, from, to }) => {
        received.push(`${subject} ${reply} ${headers?.get("name")} ${new TextDecoder().decode(bytes.slice(from, to))}`);
      });
      nc.subscribe("there.*", { callback: () => void libraryRead++ });
      const before = nc.stats().inMsgs;
      wire.publish({ subject: "there.1", header, payload: payload("one") }, "back.1");
      await until("both have the first", () => received.length === 1 && libraryRead === 1);
      proxy.cut();
      await until("it is away", () => nc.stats().inMsgs > before && !isConnected(nc));
      proxy.mend();
      await until("it is back", () => isConnected(nc));
      wire.publish({ subject: "there.2", header, payload: payload("two") }, "");
      await until("both have the second", () => received.length === 2 && libraryRead === 2);
      expect(received).toEqual(["there.1 back.1 üñ one", "there.2  üñ two"]);
      // Only what the library's own subscription was for went through its reader.
      expect(nc.stats().inMsgs - before).toBe(2);
      await nc.close();
    });

    test("publish() refuses what is larger than the server takes, and sends what follows", async () => {
      await using server = await startNatsServer({ line });
      const nc = await connect({ servers: server.url });
      const wire = wireOf(nc);
      const sizes: number[] = [];
      const { unsubscribe } = wire.subscribe("size", ({ from, to }) => sizes.push(to - from));
      const max = nc.info?.max_payload ?? 0;
      const publish = (bytes: number) => wire.publish({ subject: "size", header, payload: new Uint8Array(bytes) }, "");
      expect(() => publish(max)).toThrow(/too large/);
      for (const bytes of [1, max - 100, 0, 70_000, 2]) publish(bytes);
      await until("all of them came", () => sizes.length === 5);
      expect(sizes).toEqual([1, max - 100, 0, 70_000, 2]);
      unsubscribe();
      publish(3);
      await nc.flush();
      expect(sizes).toHaveLength(5);
      await nc.close();
      expect(() => publish(1)).toThrow(/closed/);
    });
  });
}

function isConnected(nc: unknown): boolean {
  return (nc as { readonly protocol: { readonly connected: boolean } }).protocol.connected;
}
