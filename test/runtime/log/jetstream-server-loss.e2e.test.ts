/**
 * One server under the log is killed, stopped, paused: what was acknowledged is there once, in order, and everything
 * goes on by itself when the server is back.
 */
import { expect, test } from "bun:test";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { Load, logName, openLog } from "./jetstream-load.ts";

const testMsMax = 60_000;
const pausedMs = 6_000;

const kills = 5;

const faults: readonly (readonly [string, (server: NatsServer, load: Load) => Promise<void>])[] = [
  [
    `is killed ${kills} times with publishes under way, and started again`,
    async (server, load) => {
      for (let killed = 0; killed < kills; killed++) {
        await load.moves();
        await server.kill();
        await server.restart();
      }
    },
  ],
  ["is stopped and started again", (server) => server.restart()],
  [
    "is paused for some seconds",
    async (server) => {
      await server.pause();
      await Bun.sleep(pausedMs);
      server.continue();
    },
  ],
];

for (const line of natsLines) {
  await describeOnNats(line, "log while its server", () => {
    for (const [title, fault] of faults) {
      test(
        title,
        async () => {
          await using server = await startNatsServer({ line });
          const name = logName();
          const log = await openLog([server.url], name);
          const load = new Load(log);
          await load.moves();
          await fault(server, load);
          await load.moves();
          await load.end(() => openLog([server.url], name));
          console.info(
            `${server.version} ${title}: ${load.acknowledged.size} records, longest silence of answers ` +
              `${Math.round(load.longestSilence)} ms, of the follower ${Math.round(load.longestFollowerSilence)} ms`,
          );
          expect(load.failures).toEqual([]);
          await log.close();
        },
        testMsMax,
      );
    }
  });
}
