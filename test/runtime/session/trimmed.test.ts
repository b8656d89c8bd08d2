import { expect, test } from "bun:test";
import { connect } from "../../../src/client/mod.ts";
import type { LogEpoch } from "../../../src/protocol/ids.ts";
import { normalLane } from "../../../src/protocol/lane.ts";
import type { ResumeAnswer } from "../../../src/protocol/position.ts";
import { anonymousAuthenticator } from "../../../src/runtime/auth.ts";
import { createGateway } from "../../../src/runtime/gateway.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { sha256, systemClock, systemProcess, systemRandom } from "../../../src/runtime/system.ts";
import { bunTransport } from "../../../src/runtime/transport/bun.ts";
import { Stage } from "../../gateway/stage.ts";

/** A gateway whose log the test can trim, with so many records in it. */
async function stage(records: number) {
  const clock = systemClock();
  const log = openMemoryLog({ clock, epoch: "e" as LogEpoch });
  // Before the gateway starts: what it saw itself it has in memory, and needs no log for.
  const payload = new Uint8Array(1);
  await log.append({
    records: Array.from({ length: records }, (_, i) => ({ topic: `t.${i}`, id: `s/${i}`, lane: normalLane, payload })),
  });
  const gateway = createGateway({
    ...{ clock, log, random: systemRandom(), digest: sha256, transport: bunTransport(), probe: systemProcess() },
    authenticator: anonymousAuthenticator({ publish: [">"], subscribe: [">"] }),
    logger: { log: () => undefined },
  });
  const { port } = await gateway.start();
  const client = connect(`ws://127.0.0.1:${port}/`, { ack: { records: 1, ms: 0 } });
  return { client, log, stop: () => client.close().then(() => gateway.stop()) };
}

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
