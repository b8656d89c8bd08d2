/**
 * `weir log copy`: an embedded log goes to NATS, and its clients go on there.
 * @module
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { connect } from "../../../src/client/mod.ts";
import { describeOnNats, natsLines } from "../../support/nats-binary.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { type ServingGateway, serveWeir, weir } from "../../support/weir-command.ts";

const slowMs = 60_000;
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-copy-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function stopped(gateway: ServingGateway): Promise<void> {
  gateway.child.kill("SIGTERM");
  expect(await gateway.child.exited).toBe(0);
}

type Line = { readonly topic: string; readonly id: string; readonly lane: string; readonly payload: string } & {
  readonly headers: Readonly<Record<string, string>>;
  readonly time: number;
};

async function historyOf(url: string, filter: string): Promise<readonly Line[]> {
  const { out } = await weir(["history", filter, "--format", "json", "--limit", "1000", "--url", url]);
  return out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}
const withoutPlace = ({ topic, id, lane, payload }: Line) => ({ topic, id, lane, payload });

for (const line of natsLines) {
  await describeOnNats(line, "weir log copy", () => {
    test(
      "copies records in order with id, lane, headers and time, and a client that stays is told that places are new",
      async () => {
        await using server = await startNatsServer({ line });
        const log = `embedded:${join(folder, line)}`;
        await using first = await serveWeir(["--log", log]);
        const client = connect(first.url, { reconnect: { minMs: 50, maxMs: 200 } });
        const seen: string[] = [];
        let wake: () => void = () => undefined;
        const until = async (done: () => boolean): Promise<void> => {
          while (!done())
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
        };
        const told: string[] = [];
        client.on("lost", ({ cause }) => void told.push(`lost ${cause}`));
        const orders = client.subscribe("orders.>", { qos: 2 }, (record) => {
          seen.push(record.id);
          wake();
        });
        await orders.ready;
        orders.on("resume", ({ resume }) => void told.push(`resume ${resume.kind}`));
        for (let i = 0; i < 300; i++) void client.publish(`orders.${i % 7}`, i, { headers: { i: String(i) } });
        await client.publish("orders.urgent", "now", { priority: "critical" });
        await client.publish("bills.1", "b");
        await until(() => seen.length === 301);
        const another = connect(first.url);
        const poison = another.subscribe("bills.>", { qos: 1, start: "all", maxDeliver: 1 }, () => {
          throw new Error("cannot be handled");
        });
        await new Promise((resolve) => poison.on("deadLetter", resolve));
        await another.close();
        const before = await historyOf(first.url, ">");
        const dead = await historyOf(first.url, "$dead.>");
        expect({ all: before.length, dead: dead.length }).toEqual({ all: 302, dead: 1 });
        await stopped(first);

        const copy = () => weir(["log", "copy", "--from", log, "--to", server.url]);
        expect(await copy()).toMatchObject({ exitCode: 1, err: expect.stringContaining("weir nats init") });
        await weir(["nats", "init", "--log", server.url]);
        expect(await copy()).toEqual({
          exitCode: 0,
          err: "",
          out: expect.stringMatching(/^Copied 303 records, the journals of \d+ sessions, \d+ settings\n/),
        });
        expect(await copy()).toMatchObject({
          exitCode: 1,
          err: expect.stringContaining("weir: The target holds records or sessions already"),
        });

        const { port } = new URL(first.url);
        const start = ["--log", server.url, "--profile", "production", "--security.anonymous.allow=true"];
        await using second = await serveWeir([...start, `--port=${port}`]);
        const after = await historyOf(second.url, ">");
        expect(after.map(withoutPlace)).toEqual(before.map(withoutPlace));
        expect((await historyOf(second.url, "$dead.>")).map(withoutPlace)).toEqual(dead.map(withoutPlace));
        expect(after.map(({ headers }) => headers)).toEqual(
          before.map(({ headers, time }) => ({ ...headers, "Weir-Time": new Date(time).toISOString() })),
        );

        await until(() => seen.length === 602);
        await client.publish("orders.new", "after");
        await until(() => seen.length === 603);
        expect(told).toEqual(["lost logCopied", "resume epochChanged"]);
        // Everything again, and nothing twice for a handler that remembers ids.
        expect(seen.slice(301, 602)).toEqual(seen.slice(0, 301));
        expect(new Set(seen).size).toBe(302);
        await client.close();

        const nc = await connectNats({ servers: server.url });
        const message = await (await jetstreamManager(nc)).streams.getMessage("WEIR", {
          last_by_subj: "weir.t.orders.urgent",
        });
        expect(message?.header.get("Weir-Lane")).toBe("0");
        expect(decodeURIComponent(message?.header.get("Weir-Id") ?? "")).toMatch(/^[\w-]+\/301$/);
        await nc.close();
      },
      slowMs,
    );
  });
}

await describeOnNats("newest", "weir log copy", () => {
  test(
    "refuses a log that a gateway writes, and a folder without one",
    async () => {
      await using server = await startNatsServer();
      await weir(["nats", "init", "--log", server.url]);
      const log = `embedded:${join(folder, "written")}`;
      await using gateway = await serveWeir(["--log", log]);
      expect(gateway.child.exitCode).toBeNull();
      expect(await weir(["log", "copy", "--from", log, "--to", server.url])).toMatchObject({ exitCode: 1, out: "" });
      const nothing = join(folder, "nothing");
      expect(await weir(["log", "copy", "--from", `embedded:${nothing}`, "--to", server.url])).toEqual({
        exitCode: 1,
        out: "",
        err: `weir: There is no log in ${nothing}: it holds no log.mdb\n`,
      });
      expect(await weir(["log", "copy", "--from", "nats://a", "--to", server.url])).toMatchObject({ exitCode: 2 });
      expect(await weir(["log", "copy", "--from", log, "--to", "memory"])).toMatchObject({ exitCode: 2 });
    },
    slowMs,
  );
});
