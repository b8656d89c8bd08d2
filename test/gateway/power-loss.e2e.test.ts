/**
 * What clients see when the log lost its end: one server of tier r1, or a disk under the embedded log, comes back
 * without what was acknowledged last. Records are missing then, and every subscriber that had seen some is told so.
 */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { type Client, connect } from "../../src/client/mod.ts";
import type { ResumeAnswer } from "../../src/protocol/position.ts";
import { GatewayProcess } from "../kill/gateway-process.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { claimPort } from "../support/nats-port.ts";
import { copyStore, losePower } from "../support/nats-power.ts";
import { startTcpProxy } from "../support/nats-proxy.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { until } from "./stage.ts";

const testMs = 90_000;
const convergeMs = 40_000;
const quick = { reconnect: { minMs: 20, maxMs: 200 } };
const [kept, lost, later] = [50, 50, 80];

type Seen = { readonly qos: 1 | 2; readonly texts: string[]; readonly answers: ResumeAnswer[] };

/** A subscriber of everything, and how its subscription went on each time. */
async function subscriber(client: Client, qos: 1 | 2): Promise<Seen> {
  const seen: Seen = { qos, texts: [], answers: [] };
  client.on("resume", ({ resume }) => void seen.answers.push(resume));
  await client.subscribe("t.>", { qos, start: "all" }, (record) => void seen.texts.push(record.text())).ready;
  return seen;
}
function numbered(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${from + i}`);
}
async function publish(client: Client, texts: readonly string[]): Promise<void> {
  await Promise.all(texts.map((text) => client.publish("t.a", new TextEncoder().encode(text))));
}
async function untilTold(subscribers: readonly Seen[]): Promise<void> {
  for (const { answers } of subscribers)
    await until(() => answers.at(-1)?.kind === "ahead", "the subscriber is told", convergeMs);
}
/** Both have all that was stored before and after, in order; and were told of what is missing. */
async function expectTold(subscribers: readonly Seen[], after: readonly string[]): Promise<void> {
  for (const seen of subscribers) {
    await until(() => seen.texts.includes(after.at(-1) as string), "the last record came", convergeMs);
    // QoS 1: what was not recorded as acknowledged comes again.
    expect(seen.qos === 1 ? [...new Set(seen.texts)] : seen.texts).toEqual([...numbered(1, kept + lost), ...after]);
    expect(seen.answers.at(-1)).toEqual({ kind: "ahead", last: kept });
  }
}

async function startGateway(stack: AsyncDisposableStack, log: string): Promise<GatewayProcess> {
  const { port, release } = await claimPort();
  stack.defer(release);
  const gateway = new GatewayProcess(port, log);
  stack.defer(() => gateway.kill());
  await gateway.start();
  return gateway;
}

/** A gateway on `log`, a writer and two subscribers; the first records are there, and everybody has them. */
async function startStage(stack: AsyncDisposableStack, log: string) {
  const gateway = await startGateway(stack, log);
  const { url } = gateway;
  const [writer, one, two] = [connect(url, quick), connect(url, quick), connect(url, quick)];
  for (const client of [writer, one, two]) stack.defer(() => client.close());
  const subscribers = [await subscriber(one, 1), await subscriber(two, 2)];
  const everybodyHas = async (from: number, count: number): Promise<void> => {
    await publish(writer, numbered(from, count));
    for (const { texts } of subscribers) await until(() => texts.length === from + count - 1, "every record came");
  };
  await everybodyHas(1, kept);
  /** Those that will be lost. */
  const everybodyHasMore = (): Promise<void> => everybodyHas(kept + 1, lost);
  return { gateway, writer, subscribers, everybodyHasMore };
}

await describeOnNats("newest", "clients of tier r1, when its server lost its power", () => {
  test(
    "are told how far the log goes, and get what is published then",
    async () => {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startNatsServer());
      const { gateway, writer, subscribers, everybodyHasMore } = await startStage(stack, server.url);
      using copy = await copyStore(server);
      await everybodyHasMore();
      await losePower(server, copy);
      await server.restart();
      expect(await gateway.ended()).toBe(1);
      await gateway.start();
      await publish(writer, numbered(1_001, 10));
      await expectTold(subscribers, numbered(1_001, 10));
    },
    testMs,
  );

  test(
    "are told the same when the gateway lost its power with it",
    async () => {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startNatsServer());
      const { gateway, writer, subscribers, everybodyHasMore } = await startStage(stack, server.url);
      using copy = await copyStore(server);
      await everybodyHasMore();
      await Promise.all([gateway.kill(), losePower(server, copy)]);
      await server.restart();
      await gateway.start();
      await untilTold(subscribers);
      await publish(writer, numbered(1_001, 10));
      await expectTold(subscribers, numbered(1_001, 10));
    },
    testMs,
  );

  test(
    "are told, and miss nothing, when services took the lost seqs before the gateway came back",
    async () => {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startNatsServer());
      const link = stack.use(await startTcpProxy(server.port));
      const { gateway, subscribers, everybodyHasMore } = await startStage(stack, `nats://127.0.0.1:${link.port}`);
      using copy = await copyStore(server);
      await everybodyHasMore();
      link.cut();
      await losePower(server, copy);
      await server.restart();
      const service = await connectNats({ servers: server.url });
      for (const text of numbered(1_001, later)) await jetstream(service).publish("weir.t.t.a", text);
      await service.close();
      link.mend();
      expect(await gateway.ended()).toBe(1);
      await gateway.start();
      await expectTold(subscribers, numbered(1_001, later));
    },
    testMs,
  );
});

test(
  "clients of tier disk are told when the log comes back without what a disk had not flushed",
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "weir-power-"));
    stack.defer(() => rmSync(folder, { recursive: true }));
    const [directory, copy] = [join(folder, "log"), join(folder, "copy")];
    const { gateway, writer, subscribers, everybodyHasMore } = await startStage(stack, `embedded:${directory}`);
    gateway.pause();
    cpSync(directory, copy, { recursive: true });
    gateway.continue();
    await everybodyHasMore();
    await gateway.kill();
    rmSync(directory, { recursive: true });
    cpSync(copy, directory, { recursive: true });
    await gateway.start();
    await untilTold(subscribers);
    await publish(writer, numbered(1_001, 10));
    await expectTold(subscribers, numbered(1_001, 10));
  },
  testMs,
);
