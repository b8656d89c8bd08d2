/**
 * The bus on core NATS keeps the contract of every bus; services speak to it with any NATS client.
 */
import { afterAll, expect, test } from "bun:test";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { natsBus } from "../../../src/runtime/bus/nats.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { busContract } from "../../contract/bus.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";

const clock = systemClock();
const timeoutMs = 5_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
let rigs = 0;

async function openRig({ url }: NatsServer) {
  const name = `b${++rigs}`;
  const connections: NatsConnection[] = [];
  return {
    open: async () => {
      const nc = await connect({ servers: url, inboxPrefix: "_INBOX_weir" });
      connections.push(nc);
      return natsBus({ nc, name, clock });
    },
    known: async () => void (await Promise.all(connections.map((nc) => nc.flush()))),
    dispose: async () => void (await Promise.all(connections.map((nc) => nc.close()))),
  };
}

for (const line of natsLines) {
  await describeOnNats(line, "on one server", () => {
    let started: Promise<NatsServer> | undefined;
    afterAll(async () => await (await started)?.[Symbol.asyncDispose]());
    const server = () => {
      started ??= startNatsServer({ line });
      return started;
    };
    busContract("nats", async () => openRig(await server()));

    test("a service asks and answers with any client, under the log's name", async () => {
      await using stack = new AsyncDisposableStack();
      const { url } = await server();
      const [own, service] = [await connect({ servers: url }), await connect({ servers: url })];
      stack.defer(() => own.close());
      stack.defer(() => service.close());
      const bus = natsBus({ nc: own, name: "shop", clock });
      bus.subscribe("r.price", ({ data, headers: asked, reply }) => {
        reply?.(encoder.encode(`${decoder.decode(data)} costs 7`), asked);
      });
      service.subscribe("shop.r.stock", {
        callback: (_, message) => void message.respond("3 left", { headers: message.headers as never }),
      });
      await Promise.all([own.flush(), service.flush()]);
      const from = headers();
      from.set("From", "service");
      const answer = await service.request("shop.r.price", "tea", { timeout: timeoutMs, headers: from });
      expect([answer.string(), answer.headers?.get("From")]).toEqual(["tea costs 7", "service"]);
      const reply = await bus.request("r.stock", encoder.encode("tea"), { timeoutMs, headers: { From: "weir" } });
      expect(reply.ok && [decoder.decode(reply.data), reply.headers]).toEqual(["3 left", { From: "weir" }]);
    });
  });
}

await describeOnNats("newest", "a bus whose NATS goes away", () => {
  test("answers unavailable to what waits and what comes, publishes nothing, and goes on when NATS is back", async () => {
    await using server = await startNatsServer();
    const nc = await connect({ servers: server.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
    const bus = natsBus({ nc, name: "weir", clock });
    const heard: string[] = [];
    const asked = Promise.withResolvers<void>();
    bus.subscribe("r.silent", () => asked.resolve());
    bus.subscribe("b.m", ({ data, reply }) => {
      heard.push(decoder.decode(data));
      reply?.(data);
    });
    const waiting = bus.request("r.silent", encoder.encode(""), { timeoutMs: 60_000 });
    await asked.promise;
    const back = reconnected(nc);
    await server.kill();
    const unavailable = { ok: false, code: "unavailable" } as const;
    expect(await waiting).toEqual(unavailable);
    expect(await bus.request("b.m", encoder.encode("lost"), { timeoutMs })).toEqual(unavailable);
    bus.publish("b.m", encoder.encode("lost"));
    await server.restart();
    await back;
    expect(await bus.request("b.m", encoder.encode("found"), { timeoutMs })).toMatchObject({ ok: true });
    expect(heard).toEqual(["found"]);
    await nc.close();
  });
});

async function reconnected(nc: NatsConnection): Promise<void> {
  for await (const { type } of nc.status()) if (type === "reconnect") return;
}
