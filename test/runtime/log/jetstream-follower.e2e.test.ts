/**
 * A follower that is slow gets every record once, in order, and the server has no reason to cut it off.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "@nats-io/transport-node";
import type { LogRecord } from "../../../src/runtime/log/event-log.ts";
import { openJetStreamLog } from "../../../src/runtime/log/jetstream/open.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { logName, openLog, until } from "./jetstream-load.ts";
import { newRecord } from "./new-record.ts";

const testMsMax = 60_000;
const blockedMs = 3_000;
const large = { count: 2_500, bytes: 60_000 };
const huge = 17 * 1_048_576;
const batches = 30;
const batchRecords = 900;

type Consumers = { readonly consumers?: readonly { readonly num_waiting: number }[] };

/** In a process of its own: this one stands still meanwhile. */
function publishElsewhere(url: string, name: string): Bun.Subprocess {
  const script = `const { connect } = await import("@nats-io/transport-node");
    const client = await connect({ servers: "${url}" });
    const payload = new Uint8Array(${large.bytes});
    for (let i = 0; i < ${large.count}; i++) {
      client.publish("${name}.t.a", payload);
      if (i % 50 === 0) await client.flush();
    }
    await client.flush();
    await client.close();`;
  return Bun.spawn([process.execPath, "-e", script], { cwd: import.meta.dir, stdio: ["ignore", "inherit", "inherit"] });
}

for (const line of natsLines) {
  await describeOnNats(line, "follow()", () => {
    let server: NatsServer;
    beforeAll(async () => {
      server = await startNatsServer({ line });
    });
    afterAll(() => server?.[Symbol.asyncDispose]());

    test(
      "gives everything to who stands still for seconds while much is published, on one connection",
      async () => {
        const name = logName();
        const said: string[] = [];
        const logger = { log: (_: string, event: string) => void said.push(event) };
        const ports = { clock: systemClock(), random: systemRandom(), logger };
        const log = await openJetStreamLog({ servers: [server.url], name, provision: {}, ...ports });
        said.length = 0;
        const seqs: number[] = [];
        const publisher = publishElsewhere(server.url, name);
        const follow = log.follow(0, (records) => {
          if (seqs.length === 0) Bun.sleepSync(blockedMs);
          seqs.push(...records.map(({ seq }) => seq));
        });
        await until("everything was followed", () => seqs.length >= large.count);
        await publisher.exited;
        expect(seqs).toEqual(Array.from({ length: large.count }, (_, i) => i + 1));
        expect(said).toEqual([]);
        follow.stop();
        await log.close();
      },
      testMsMax,
    );

    test(
      "asks for no more than it can take, however much it has followed",
      async () => {
        const name = logName();
        const log = await openLog([server.url], name);
        const followed: LogRecord[] = [];
        const follow = log.follow(0, (records) => void followed.push(...records));
        const records = Array.from({ length: batchRecords }, (_, i) => newRecord("a", `${i}`));
        for (let after = 0; after < batches * batchRecords; after += batchRecords) {
          const numbered = { producer: "p", after, numbers: records.map((_, i) => after + 1 + i) };
          expect((await log.append({ records, numbered })).ok).toBe(true);
        }
        await until("all was followed", () => followed.length === batches * batchRecords);
        const client = await connect({ servers: server.url });
        const list = await client.request(`$JS.API.CONSUMER.LIST.${name.toUpperCase()}`);
        const { consumers = [] } = list.json<Consumers>();
        expect(consumers.length).toBe(1);
        expect(consumers[0]?.num_waiting).toBeLessThanOrEqual(2);
        await client.close();
        follow.stop();
        await log.close();
      },
      testMsMax,
    );
  });
}

await describeOnNats("newest", "follow() of a record larger than one pull", () => {
  test(
    "gives it, and what comes after it",
    async () => {
      await using server = await startNatsServer({ maxPayload: "32MB" });
      const log = await openLog([server.url], logName());
      const sizes: number[] = [];
      const follow = log.follow(0, (records) => void sizes.push(...records.map(({ payload }) => payload.byteLength)));
      for (const bytes of [1, huge, 2]) {
        const record = { ...newRecord("a"), payload: new Uint8Array(bytes) };
        expect((await log.append({ records: [record] })).ok).toBe(true);
      }
      await until("all was followed", () => sizes.length === 3);
      expect(sizes).toEqual([1, huge, 2]);
      follow.stop();
      await log.close();
    },
    testMsMax,
  );
});
