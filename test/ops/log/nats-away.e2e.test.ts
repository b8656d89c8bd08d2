/**
 * A gateway whose NATS goes away and comes back: what /ready says, and what clients notice.
 * @module
 */
import { expect, test } from "bun:test";
import { connect } from "../../../src/client/mod.ts";
import { anonymousAuthenticator } from "../../../src/runtime/auth.ts";
import { natsBus } from "../../../src/runtime/bus/nats.ts";
import { createGateway } from "../../../src/runtime/gateway.ts";
import { openJetStreamLog } from "../../../src/runtime/log/jetstream/open.ts";
import type { PublisherOptions } from "../../../src/runtime/log/jetstream/publisher.ts";
import { systemProcess } from "../../../src/runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { bunTransport } from "../../../src/runtime/transport/bun.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { serveWeir } from "../../support/weir-command.ts";

const slowMs = 60_000;
const withinMs = 20_000;
const pollMs = 20;
const logger = { log: () => undefined };

type Running = AsyncDisposable & { readonly url: string; ready(): Promise<{ status: number; body: Ready }> };
type Ready = { readonly ready: boolean; readonly reasons?: readonly string[]; readonly logUnavailableSince?: string };

async function startGateway(server: NatsServer, publisher: Partial<PublisherOptions> = {}): Promise<Running> {
  const [clock, random, probe] = [systemClock(), systemRandom(), systemProcess()];
  const log = await openJetStreamLog({ servers: [server.url], provision: {}, publisher, clock, random, logger });
  const bus = natsBus({ ...log.connection, clock });
  const authenticator = anonymousAuthenticator({ publish: [">"], subscribe: [">"] });
  const ports = { clock, random, digest: sha256, log, bus, transport: bunTransport(), authenticator, logger, probe };
  const gateway = createGateway(ports, { port: 0 });
  const { port } = await gateway.start();
  return {
    url: `ws://127.0.0.1:${port}`,
    ready: async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/ready`);
      return { status: answer.status, body: (await answer.json()) as Ready };
    },
    [Symbol.asyncDispose]: async () => {
      await gateway.stop({ timeoutMs: 1_000 });
      await bus.close();
      await log.close();
      probe.stop();
    },
  };
}

/** Nobody announces readiness: it is asked for until it is so. */
async function untilReady(gateway: Running, status: 200 | 503): Promise<Ready> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    const answer = await gateway.ready();
    if (answer.status === status) return answer.body;
    if (performance.now() > giveUpAt) throw new Error(`/ready stays ${JSON.stringify(answer)}`);
    await Bun.sleep(pollMs);
  }
}

const endings = {
  stopped: { end: (server: NatsServer) => server.stop(), begin: (server: NatsServer) => server.restart() },
  killed: { end: (server: NatsServer) => server.kill(), begin: (server: NatsServer) => server.restart() },
  paused: { end: (server: NatsServer) => server.pause(), begin: async (server: NatsServer) => server.continue() },
} as const;

for (const line of natsLines) {
  await describeOnNats(line, "/ready of a gateway", () => {
    for (const [how, { end, begin }] of Object.entries(endings)) {
      test(
        `says since when NATS is away when it is ${how}, while clients stay connected and their publishes wait`,
        async () => {
          await using server = await startNatsServer({ line });
          await using gateway = await startGateway(server);
          const client = connect(gateway.url);
          const lost: unknown[] = [];
          client.on("disconnected", (event) => void lost.push(event));
          client.on("error", (error) => void lost.push(error));
          const got: string[] = [];
          const arrived = Promise.withResolvers<void>();
          await client.subscribe("orders.>", { qos: 2 }, (record) => {
            got.push(String(record.json()));
            if (got.length === 3) arrived.resolve();
          }).ready;
          await client.publish("orders.eu", "before");
          expect(await gateway.ready()).toEqual({ status: 200, body: { ready: true } });

          const endedAt = Date.now();
          await end(server);
          const away = await untilReady(gateway, 503);
          expect(away).toEqual({ ready: false, reasons: ["logUnavailable"], logUnavailableSince: expect.any(String) });
          const since = Date.parse(away.logUnavailableSince ?? "");
          expect(Math.abs(since - endedAt)).toBeLessThan(3_000);
          const published = Promise.all([client.publish("orders.eu", "meanwhile"), client.publish("orders.us", "too")]);
          expect((await gateway.ready()).body.logUnavailableSince).toBe(away.logUnavailableSince as string);

          await begin(server);
          await published;
          await arrived.promise;
          await untilReady(gateway, 200);
          expect({ got, lost }).toEqual({ got: ["before", "meanwhile", "too"], lost: [] });
          await client.close();
        },
        slowMs,
      );
    }

    test(
      "answers a publish that has waited long enough with a retryable error and its cause, and stores it once when it comes again",
      async () => {
        await using server = await startNatsServer({ line });
        await using gateway = await startGateway(server, { deadlineMs: 1_000 });
        const socket = new WebSocket(gateway.url, "weir.v1.json");
        const frames = framesOf(socket);
        const send = (frame: object): void => socket.send(JSON.stringify(frame));
        const publish = (first: number): void =>
          send({ type: "publish", first, records: [{ topic: "orders.eu", payload: { total: first } }] });
        await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
        send({ type: "hello" });
        await frames.next("welcome");
        publish(1);
        await frames.next("published");
        await server.stop();
        publish(2);
        expect(await frames.next("error")).toMatchObject({
          cause: "logUnavailable",
          retryable: true,
          n: 2,
          message: expect.stringMatching(/^NATS /),
          retryAfterMs: expect.any(Number),
        });
        await server.restart();
        await untilReady(gateway, 200);
        publish(2);
        publish(2);
        expect(await frames.next("published")).toMatchObject({ upTo: 2 });
        send({ type: "read", ref: 1, filter: "orders.>", start: { kind: "all" } });
        const page = await frames.next("page");
        expect(page["records"]).toHaveLength(2);
        expect(socket.readyState).toBe(WebSocket.OPEN);
        socket.close();
      },
      slowMs,
    );
  });
}

await describeOnNats("newest", "weir serve", () => {
  test(
    "ends in bounded time when it is told to stop while NATS is away, and says what that means",
    async () => {
      await using server = await startNatsServer();
      await using gateway = await serveWeir(["--log", server.url]);
      const client = connect(gateway.url);
      await client.subscribe("orders.>", { qos: 2 }, () => undefined).ready;
      await server.kill();
      gateway.child.kill("SIGTERM");
      const err = await new Response(gateway.child.stderr).text();
      expect({ err, exitCode: await gateway.child.exited }).toEqual({
        err: "weir: Stopped without the last writes, the log did not take them: it gave no answer for 20 s\n",
        exitCode: 1,
      });
      await client.close();
    },
    slowMs,
  );
});

type Frame = { readonly type: string; readonly [field: string]: unknown };

function framesOf(socket: WebSocket) {
  const frames: Frame[] = [];
  let wake: () => void = () => undefined;
  socket.addEventListener("message", ({ data }) => {
    frames.push(JSON.parse(String(data)) as Frame);
    wake();
  });
  return {
    /** The next one of this type; others are passed over. */
    next: async (type: string): Promise<Frame> => {
      for (;;) {
        for (let frame = frames.shift(); frame !== undefined; frame = frames.shift())
          if (frame.type === type) return frame;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
