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
