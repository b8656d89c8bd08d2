/**
 * What a gateway checks before it uses a log on NATS: streams that it cannot work with, and what it says of those that
 * promise less than they could.
 * @module
 */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { openJetStreamLog } from "../../../src/runtime/log/jetstream/open.ts";
import type { ProvisionOptions } from "../../../src/runtime/log/jetstream/provision.ts";
import type { Logger } from "../../../src/runtime/ports.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { describeOnNats } from "../../support/nats-binary.ts";
import { startNatsCluster } from "../../support/nats-cluster.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { weir } from "../../support/weir-command.ts";

const slowMs = 60_000;
type Line = { readonly level: string; readonly event: string; readonly [field: string]: unknown };
type Options = { readonly provision?: ProvisionOptions; readonly monitoring?: readonly string[] };

/** What the log says of itself, and what was logged meanwhile. */
async function opened(servers: readonly string[], options: Options = {}) {
  const lines: Line[] = [];
  const logger: Logger = { log: (level, event, fields) => void lines.push({ level, event, ...fields }) };
  const log = await openJetStreamLog({ servers, ...options, clock: systemClock(), random: systemRandom(), logger });
  const info = log.info();
  await log.close();
  return { info, lines };
}
async function refusal(url: string): Promise<string> {
  return await opened([url]).then(
    () => "opened",
    (error: Error) => `${error.name}: ${error.message}`,
  );
}

/** As an operator would with `nats stream edit`. */
async function edit(url: string, stream: string, change: Readonly<Record<string, unknown>>): Promise<void> {
  const nc = await connect({ servers: url });
  try {
    const { config } = (await nc.request(`$JS.API.STREAM.INFO.${stream}`)).json<{ config: object }>();
    const answer = await nc.request(`$JS.API.STREAM.UPDATE.${stream}`, JSON.stringify({ ...config, ...change }));
    expect(answer.json()).not.toHaveProperty("error");
  } finally {
    await nc.close();
  }
}

await describeOnNats("newest", "openJetStreamLog()", () => {
  test(
    "names the stream that is missing and the command that makes it",
    async () => {
      await using server = await startNatsServer();
      expect(await refusal(server.url)).toBe("LogOpenError: Stream WEIR does not exist. Make it with: weir nats init");
      const { exitCode, err } = await weir([
        ...["serve", "--port", "0", "--log", server.url, "--profile", "production"],
        "--security.anonymous.allow=true",
      ]);
      expect({ exitCode, err }).toEqual({
        exitCode: 1,
        err: "weir: Stream WEIR does not exist. Make it with: weir nats init\n",
      });
    },
    slowMs,
  );

  test(
    "names what it cannot work with, and what shows the way out",
    async () => {
      await using server = await startNatsServer();
      for (const [stream, change, problem] of [
        ["WEIR", { allow_direct: false }, "Stream WEIR has allow_direct false, Weir needs true"],
        ["WEIR", { max_msgs_per_subject: 1 }, "Stream WEIR has max_msgs_per_subject 1, Weir needs no bound"],
        [
          "WEIR",
          { subjects: ["weir.t.>", "weir.x.*", "orders"] },
          "Stream WEIR has subjects weir.t.>, weir.x.*, orders, ",
        ],
        ["KV_WEIR", { max_msgs_per_subject: 5 }, "Stream KV_WEIR has max_msgs_per_subject 5, Weir needs 1"],
      ] as const) {
        await opened([server.url], { provision: {} });
        await edit(server.url, stream, change);
        expect(await refusal(server.url)).toStartWith(`LogOpenError: ${problem}`);
        expect(await refusal(server.url)).toEndWith("See what would change with: weir nats init --dry-run");
        await edit(server.url, stream, {
          subjects: ["weir.t.>", "weir.x.*"],
          max_msgs_per_subject: -1,
          allow_direct: true,
          ...(stream === "KV_WEIR" ? { subjects: ["$KV.WEIR.>"], max_msgs_per_subject: 1 } : {}),
        });
        expect(await refusal(server.url)).toBe("opened");
      }
    },
    slowMs,
  );

  test(
    "opens what promises less, says how much less, and offers no transactions without atomic batches",
    async () => {
      await using server = await startNatsServer();
      const { lines, info } = await opened([server.url], { provision: {} });
      expect(info).toMatchObject({ tier: "r1", transactions: true });
      expect(lines).toEqual([
        { level: "info", event: "durability of the log", tier: "r1", because: "stream WEIR has 1 replica" },
      ]);
      await edit(server.url, "WEIR", { duplicate_window: 5e9, allow_atomic: false });
      const less = await opened([server.url]);
      expect(less.info.transactions).toBe(false);
      const common = { level: "warn", event: "a stream promises less", stream: "WEIR", change: "weir nats init" };
      expect(less.lines.filter(({ level }) => level === "warn")).toEqual([
        {
          ...common,
          ...{ field: "duplicate_window", found: "5s", wanted: "2m" },
          effect: "a publish whose answer was lost is told from a new one only for 5s",
        },
        {
          ...common,
          ...{ field: "allow_atomic", found: "nothing", wanted: "true" },
          effect: "transactions are not offered",
        },
      ]);
    },
    slowMs,
  );

  test(
    "makes in development what is missing, and changes nothing that is there",
    async () => {
      await using server = await startNatsServer();
      await opened([server.url], { provision: {} });
      await edit(server.url, "WEIR", { duplicate_window: 5e9 });
      const { lines } = await opened([server.url], { provision: {} });
      expect(lines.find(({ level }) => level === "warn")).toMatchObject({ field: "duplicate_window", found: "5s" });
    },
    slowMs,
  );
});

/** Where a server that was told to take any port tells the port of its monitoring. */
function monitoringOf(server: NatsServer, folder: string): string {
  const ports = JSON.parse(readFileSync(join(folder, `nats-server_${server.pid}.ports`), "utf8")) as {
    readonly monitoring: readonly [string];
  };
  return ports.monitoring[0];
}

await describeOnNats("newest", "tier of openJetStreamLog()", () => {
  for (const syncInterval of ["always", "1s"]) {
    test(
      `is what three servers with sync_interval ${syncInterval} say of themselves, and no more than is known`,
      async () => {
        const folder = mkdtempSync(join(tmpdir(), "weir-nats-ports-"));
        try {
          const config = `http: "127.0.0.1:-1"\nports_file_dir: "${folder}"`;
          await using cluster = await startNatsCluster({ syncInterval, config });
          const urls = cluster.urls;
          const monitoring = cluster.nodes.map((node) => monitoringOf(node, folder));
          const told = async (of: readonly string[]) => {
            const { info, lines } = await opened(urls, { provision: {}, monitoring: of });
            return { tier: info.tier, line: lines.find(({ event }) => event === "durability of the log") };
          };
          if (syncInterval === "always") {
            expect(await told(monitoring)).toEqual({
              tier: "r3-sync",
              line: expect.objectContaining({ level: "info", because: "every server flushes each write" }),
            });
            expect(await told([])).toMatchObject({
              tier: "r3",
              line: {
                level: "info",
                because: "how often the servers flush is not known: log.nats.monitoring names none",
              },
            });
            expect(await told(monitoring.slice(1))).toMatchObject({
              tier: "r3",
              line: { level: "warn", because: `server ${cluster.nodes[0]?.name} is not among log.nats.monitoring` },
            });
            expect(await told(["http://127.0.0.1:1", ...monitoring])).toMatchObject({
              tier: "r3",
              line: { level: "warn", because: expect.stringContaining("http://127.0.0.1:1 does not tell how often") },
            });
          } else {
            expect(await told(monitoring)).toMatchObject({
              tier: "r3",
              line: { level: "warn", because: expect.stringMatching(/^server \S+ flushes every 1 s$/) },
            });
            await weir(["nats", "init", "--log", urls.join(","), "--replicas", "1"]);
            expect(await told(monitoring)).toMatchObject({
              tier: "r1",
              line: { level: "warn", because: "stream WEIR has 1 replica", change: "weir nats init --replicas 3" },
            });
          }
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
      },
      slowMs,
    );
  }
});
