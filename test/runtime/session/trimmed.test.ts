import { expect, test } from "bun:test";
import { connect } from "../../../src/client/mod.ts";
import type { LogEpoch } from "../../../src/protocol/ids.ts";
import { normalLane } from "../../../src/protocol/lane.ts";
import type { ResumeAnswer } from "../../../src/protocol/position.ts";
import { anonymousAuthenticator } from "../../../src/runtime/auth.ts";
import { localBus } from "../../../src/runtime/bus/local.ts";
import { createGateway } from "../../../src/runtime/gateway.ts";
import type { EventLog, Follow, LogRecord } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { systemProcess } from "../../../src/runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { bunTransport } from "../../../src/runtime/transport/bun.ts";
import { Stage } from "../../gateway/stage.ts";

/** A gateway whose log the test can trim, with so many records in it; the node may be cut off from it for a while. */
async function stage(records: number) {
  const clock = systemClock();
  const memory = openMemoryLog({ clock, epoch: "e" as LogEpoch });
  const { log, away, back } = cutOff(memory);
  // Before the gateway starts: what it saw itself it has in memory, and needs no log for.
  const payload = new Uint8Array(1);
  await log.append({
    records: Array.from({ length: records }, (_, i) => ({ topic: `t.${i}`, id: `s/${i}`, lane: normalLane, payload })),
  });
  const gateway = createGateway(
    {
      ...{
        clock,
        log,
        bus: localBus(clock),
        random: systemRandom(),
        digest: sha256,
        transport: bunTransport(),
        probe: systemProcess(),
      },
      authenticator: anonymousAuthenticator({ publish: [">"], subscribe: [">"] }),
      logger: { log: () => undefined },
    },
    { port: 0 },
  );
  const { port } = await gateway.start();
  const client = connect(`ws://127.0.0.1:${port}/`, { ack: { records: 1, ms: 0 } });
  return { client, log, away, back, stop: () => client.close().then(() => gateway.stop()) };
}

/** While it is away nothing is followed; back again, it goes on from where it was. */
function cutOff(memory: EventLog) {
  let [after, follow]: [number, Follow | undefined] = [0, undefined];
  let again = (): void => undefined;
  const followed: EventLog["follow"] = (from, onRecords, onTrimmed) => {
    after = from;
    again = () => {
      const seen = (records: readonly LogRecord[]): void => {
        after = records.at(-1)?.seq ?? after;
        onRecords(records);
      };
      follow = memory.follow(after, seen, onTrimmed);
    };
    again();
    return { stop: () => follow?.stop() };
  };
  const log = new Proxy(memory, {
    get: (target, name) => {
      if (name === "follow") return followed;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { log, away: () => follow?.stop(), back: () => again() };
}

test("a live subscription is told `trimmed` when retention was faster than its node followed the log", async () => {
  const { client, log, away, back, stop } = await stage(1);
  const told: unknown[] = [];
  const live = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  const subscription = client.subscribe("t.*", { start: "all" }, ({ seq }) => {
    told.push(seq);
    if (seq === 2) live.resolve();
    if (seq === 7) done.resolve();
  });
  subscription.on("resume", ({ resume }) => told.push(resume));
  await subscription.ready;
  const append = (count: number) =>
    log.append({
      records: Array.from({ length: count }, () => ({
        topic: "t.a",
        id: "",
        lane: normalLane,
        payload: new Uint8Array(1),
      })),
    });
  await append(1);
  await live.promise;
  away();
  await append(4);
  await log.trim({ ageMs: 0, bytes: 0, records: 1 });
  back();
  await append(1);
  await done.promise;
  expect(told.slice(told.indexOf(2))).toEqual([2, { kind: "trimmed", first: 6 }, 6, 7]);
  await stop();
});

test("a subscription that is behind is told `trimmed` when retention passes it, and goes on with what is held", async () => {
  const { client, log, stop } = await stage(6);
  const answers: ResumeAnswer[] = [];
  const got: number[] = [];
  await new Promise<void>((resolve) => {
    const subscription = client.subscribe("t.*", { start: "all", window: { records: 1 } }, async ({ seq }) => {
      got.push(seq);
      if (seq === 1) await log.trim({ ageMs: 0, bytes: 0, records: 2 });
      if (seq === 6) resolve();
    });
    subscription.on("resume", ({ resume }) => answers.push(resume));
  });
  expect(got).toEqual([1, 5, 6]);
  expect(answers.slice(1)).toEqual([{ kind: "trimmed", first: 5 }]);
  await stop();
});

test("a resume is answered `trimmed` until the client acknowledges: a connection that died told nobody", async () => {
  await using stage = await Stage.open();
  const world = stage.world();
  const [subscriber, publisher] = [await world.open(), await world.open()];
  await subscriber.subscribe("t", { qos: 1 });
  for (let i = 1; i <= 6; i++) await publisher.publishOne("t", String(i));
  const { session, resumeKey } = subscriber.welcome;
  await subscriber.peer.fence();
  await stage.log.trim({ ageMs: 0, bytes: 0, records: 2 });
  const resumed = async () => {
    const client = await world.open({ session, resumeKey });
    const { resume, chains } = await client.peer.expect("subscribed", ({ ref }) => ref === 0);
    return { client, resume, last: chains[normalLane] as NonNullable<(typeof chains)[number]> };
  };
  for (let i = 0; i < 2; i++) {
    const { resume, last } = await resumed();
    expect([resume, last.last]).toEqual([{ kind: "trimmed", first: 5 }, 4]);
  }
  const { client, last } = await resumed();
  client.peer.send({ type: "ack", upTo: [{ chain: last.chain, seq: 4 }] });
  await client.peer.fence();
  expect((await resumed()).resume).toEqual({ kind: "replay", from: 5 });
});
