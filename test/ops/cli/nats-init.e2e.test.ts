/**
 * `weir nats init` against real servers: what it shows, makes, changes and refuses.
 * @module
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describeOnNats } from "../../support/nats-binary.ts";
import { startNatsCluster } from "../../support/nats-cluster.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { weir } from "../../support/weir-command.ts";

const slowMs = 60_000;
type Config = Readonly<Record<string, unknown>>;

function init(url: string, ...options: string[]) {
  return weir(["nats", "init", "--log", url, ...options]);
}

/** Streams by name, as the server has them. */
async function streamsOf(url: string): Promise<ReadonlyMap<string, Config>> {
  const nc = await connect({ servers: url });
  try {
    const streams = new Map<string, Config>();
    for await (const { config } of (await jetstreamManager(nc)).streams.list())
      streams.set(config.name, config as unknown as Config);
    return streams;
  } finally {
    await nc.close();
  }
}

/** Made by hand, as another program or an older version would. */
async function make(url: string, config: Config): Promise<void> {
  const nc = await connect({ servers: url });
  try {
    const answer = await nc.request(`$JS.API.STREAM.CREATE.${config["name"]}`, JSON.stringify(config));
    expect(answer.json()).toMatchObject({ config: { name: config["name"] } });
  } finally {
    await nc.close();
  }
}

async function publish(url: string, subject: string, count: number): Promise<void> {
  const nc = await connect({ servers: url });
  for (let i = 0; i < count; i++) await nc.request(subject, "x");
  await nc.close();
}

const usual = {
  retention: "limits",
  storage: "file",
  allow_direct: true,
  allow_rollup_hdrs: true,
  allow_msg_ttl: true,
};
const windowNs = 120e9;

await describeOnNats("newest", "weir nats init", () => {
  test(
    "shows what it would make, makes it, and then has nothing to do",
    async () => {
      await using server = await startNatsServer();
      const shown = await init(server.url, "--dry-run");
      expect(shown).toMatchObject({ exitCode: 0, err: "" });
      expect(shown.out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
        ["STREAM", "FIELD", "FOUND", "WANTED"],
        ["WEIR", "stream", "nothing", "weir.t.>, weir.x.*; 1 replica; allow_atomic"],
        ["WEIR_JOURNAL", "stream", "nothing", "weir.j.*.*, weir.s.*.*, weir.p.*; 1 replica"],
        ["KV_WEIR", "stream", "nothing", "$KV.WEIR.>; 1 replica"],
        ["OBJ_WEIR_BLOBS", "stream", "nothing", "$O.WEIR_BLOBS.C.>, $O.WEIR_BLOBS.M.>; 1 replica"],
        [""],
        ["Dry run: nothing was changed"],
        [""],
      ]);
      expect((await streamsOf(server.url)).size).toBe(0);
      const made = await init(server.url);
      expect(made).toMatchObject({
        exitCode: 0,
        out: shown.out.replace("Dry run: nothing was changed", "Done: 4 streams made, 0 changed"),
      });
      expect((await streamsOf(server.url)).get("WEIR")).toMatchObject({ ...usual, duplicate_window: windowNs });
      for (const again of [await init(server.url), await init(server.url, "--dry-run")])
        expect(again).toEqual({ exitCode: 0, out: "Nothing to do\n", err: "" });
    },
    slowMs,
  );

  test(
    "sets the bounds that it is told, and leaves them when it is told none",
    async () => {
      await using server = await startNatsServer();
      const bounds = ["--name", "shop", "--max-age", "7d", "--max-bytes", "1000000000"];
      expect(await init(server.url, ...bounds)).toMatchObject({ exitCode: 0 });
      const wanted = { max_age: 7 * 86_400e9, max_bytes: 1e9, subjects: ["shop.t.>", "shop.x.*"] };
      expect((await streamsOf(server.url)).get("SHOP")).toMatchObject(wanted);
      expect((await init(server.url, "--name", "shop")).out).toBe("Nothing to do\n");
      expect((await init(server.url, "--name", "shop", "--max-age", "14d")).out).toContain("max_age  7d     14d");
      expect((await streamsOf(server.url)).get("SHOP")).toMatchObject({ ...wanted, max_age: 14 * 86_400e9 });
      expect((await streamsOf(server.url)).get("SHOP_JOURNAL")).toMatchObject({ max_age: 0, max_bytes: -1 });
    },
    slowMs,
  );

  test(
    "changes a stream that an older version made, and keeps what it holds",
    async () => {
      await using server = await startNatsServer();
      const old = { retention: "limits", storage: "file", name: "WEIR", subjects: ["weir.t.>"], duplicate_window: 1e9 };
      await make(server.url, { ...old, max_age: 86_400e9 });
      await publish(server.url, "weir.t.a", 3);
      const { out, exitCode } = await init(server.url);
      expect({ exitCode, fields: [...out.matchAll(/^WEIR +(\w+)/gm)].map(([, field]) => field).sort() }).toEqual({
        exitCode: 0,
        fields: ["allow_atomic", "allow_direct", "allow_msg_ttl", "allow_rollup_hdrs", "duplicate_window", "subjects"],
      });
      expect(out).toContain("Done: 3 streams made, 1 changed");
      expect((await streamsOf(server.url)).get("WEIR")).toMatchObject({
        ...usual,
        max_age: 86_400e9,
        duplicate_window: windowNs,
      });
      expect((await init(server.url)).out).toBe("Nothing to do\n");
      const nc = await connect({ servers: server.url });
      expect((await (await jetstreamManager(nc)).streams.info("WEIR")).state.messages).toBe(3);
      await nc.close();
    },
    slowMs,
  );

  test(
    "refuses streams of other programs, says which, and changes nothing",
    async () => {
      const cases: readonly (readonly [Config, string])[] = [
        [
          { ...usual, name: "WEIR", subjects: ["foo.>"] },
          "Stream WEIR has subjects foo.>, Weir needs weir.t.>, weir.x.*",
        ],
        [{ ...usual, name: "OTHER", subjects: ["weir.t.orders"] }, "Stream OTHER takes subjects of weir.t.> already"],
        [
          { ...usual, name: "WEIR", subjects: ["weir.t.>"], storage: "memory" },
          "Stream WEIR has storage memory, Weir needs file",
        ],
        [
          { ...usual, name: "WEIR", subjects: ["weir.t.>"], retention: "workqueue" },
          "Stream WEIR has retention workqueue, Weir needs limits",
        ],
      ];
      for (const [config, problem] of cases) {
        await using server = await startNatsServer();
        await make(server.url, config);
        const before = await streamsOf(server.url);
        for (const options of [[], ["--dry-run"]]) {
          const { exitCode, err } = await init(server.url, ...options);
          expect({ exitCode, err: err.slice(0, 30 + problem.length) }).toEqual({
            exitCode: 1,
            err: expect.stringContaining(problem),
          });
        }
        expect(await streamsOf(server.url)).toEqual(before);
      }
    },
    slowMs,
  );

  test(
    "refuses a bound that would remove records",
    async () => {
      await using server = await startNatsServer();
      await init(server.url);
      await publish(server.url, "weir.t.a", 5);
      const { exitCode, err } = await init(server.url, "--max-bytes", "100");
      expect({ exitCode, err }).toEqual({
        exitCode: 1,
        err: "weir: Nothing was changed\n  max_bytes 100 would remove records that stream WEIR holds, and this command never does. Do it yourself with: nats stream edit WEIR\n",
      });
      expect((await streamsOf(server.url)).get("WEIR")).toMatchObject({ max_bytes: -1 });
    },
    slowMs,
  );

  test(
    "ends with 2 for options that it cannot mean",
    async () => {
      const log = "nats://127.0.0.1:1";
      for (const [options, message] of [
        [["--max-age", "7"], '--max-age must be a duration as 90s, 12h or 7d, got "7"'],
        [["--max-age", "1m"], '--max-age must be 120s or more, or 0s for no bound, got "1m"'],
        [["--replicas", "9"], '--replicas must be a whole number from 1 to 5, got "9"'],
        [["--name", "A"], "Wrong configuration\n  flag --log.nats.name: must be 1 to 32"],
        [["--log.url2", "x"], "Unknown option --log.url2"],
      ] as const) {
        const { exitCode, err } = await init(log, ...options);
        expect({ exitCode, err }).toEqual({ exitCode: 2, err: expect.stringContaining(`weir: ${message}`) });
      }
      expect(await weir(["nats", "init", "--log", "memory"])).toMatchObject({ exitCode: 2 });
      expect(await weir(["nats", "innit"])).toMatchObject({
        exitCode: 2,
        err: 'weir: Unknown command "innit", expected one of: init\n',
      });
    },
    slowMs,
  );

  test(
    "makes three replicas in a cluster, and takes another number when it is told one",
    async () => {
      await using cluster = await startNatsCluster();
      const [url = ""] = cluster.urls;
      expect((await init(url)).out).toContain("Done: 4 streams made");
      const replicas = async () => [...(await streamsOf(url)).values()].map((config) => config["num_replicas"]);
      expect(await replicas()).toEqual([3, 3, 3, 3]);
      expect((await init(url, "--replicas", "1")).out).toContain("Done: 0 streams made, 4 changed");
      expect(await replicas()).toEqual([1, 1, 1, 1]);
      expect((await init(url)).out).toBe("Nothing to do\n");
    },
    slowMs,
  );
});

await describeOnNats("floor", "weir nats init", () => {
  test(
    "asks for atomic batches when the server is a newer one",
    async () => {
      const storeDir = mkdtempSync(join(tmpdir(), "weir-nats-update-"));
      try {
        {
          await using server = await startNatsServer({ line: "floor", storeDir });
          expect((await init(server.url)).out).not.toContain("allow_atomic");
          expect((await init(server.url)).out).toBe("Nothing to do\n");
          await server.stop();
        }
        await using server = await startNatsServer({ line: "newest", storeDir });
        expect((await init(server.url)).out).toMatch(/^WEIR +allow_atomic +nothing +true\n/m);
        expect((await init(server.url)).out).toBe("Nothing to do\n");
      } finally {
        rmSync(storeDir, { recursive: true, force: true });
      }
    },
    slowMs,
  );
});
