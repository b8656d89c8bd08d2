/**
 * The story of a wrong setting: a client loses a record because the gateway allows a single try. With `weir why`,
 * `weir inspect --at` and `weir who` alone the cause is found; the segment is exported and read in other processes, and
 * the shadow run shows what is different with the setting corrected.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../../src/client/mod.ts";
import { describeOnNats } from "../../support/nats-binary.ts";
import { startNatsServer } from "../../support/nats-server.ts";
import { serveWeir, weir } from "../../support/weir-command.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-story-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const golden = join(import.meta.dir, "../../golden/segments/0.1.0/story.weir");
/** Some twenty processes, on a machine that may do other work. */
const testMs = 400_000;
/** Ended connections and positions are journalled within about a second. */
const journalledMs = 15_000;

type Found = { readonly session: string; readonly connection: string; readonly lost: number };

/** Three orders; the second one comes while the worker's database is away for a moment. */
async function lose(url: string): Promise<Found> {
  const worker = connect(url, { agent: "worker" });
  const shop = connect(url);
  const processed: string[] = [];
  let away = true;
  const orders = worker.subscribe("orders.*", { qos: 1 }, (record) => {
    if (record.text() === "two" && away) {
      away = false;
      throw new Error("database away");
    }
    processed.push(record.text());
  });
  await orders.ready;
  const gone = new Promise<number>((resolve) => orders.on("deadLetter", ({ seq }) => resolve(seq)));
  for (const text of ["one", "two", "three"]) await shop.publish("orders.eu", new TextEncoder().encode(text));
  const lost = await gone;
  while (processed.length < 2) await Bun.sleep(10);
  expect(processed).toEqual(["one", "three"]);
  const session = worker.session?.session ?? "";
  await worker.close();
  await shop.close();
  return { session, connection: "n1/c1", lost };
}

async function said(args: readonly string[], exitCode = 0): Promise<string> {
  const ended = await weir(args);
  expect({ args, err: ended.err, exitCode: ended.exitCode }).toEqual({ args, err: "", exitCode });
  return ended.out;
}

async function untilSaid(args: readonly string[], text: string): Promise<string> {
  const end = Date.now() + journalledMs;
  for (;;) {
    const { out } = await weir(args);
    if (out.includes(text) || Date.now() > end) return out;
  }
}

async function story(log: readonly string[], name: string): Promise<void> {
  await using gateway = await serveWeir([...log, "--discovery.node", "n1", "--websocket.limits.maxDeliver", "1"]);
  const { session, connection, lost } = await lose(gateway.url);

  // What became of the record?
  const who = await untilSaid(["who", "orders.eu", String(lost), ...log], "deadLettered");
  expect(who).toContain(session);
  expect(who).toMatch(/deadLettered .* 1 +database away/);

  // Why?
  const why = await said(["why", `session/${session}`, ...log]);
  expect(why).toContain(`record ${lost} of orders.* was given up after 1 try, "database away"`);
  expect(why).toContain("setting: websocket.limits.maxDeliver");
  const dead = /event (\d+) +database away/.exec(why)?.[1] ?? "";

  // What was the setting then?
  const inspected = JSON.parse(await said(["inspect", session, "--at", dead, "--json", ...log])) as {
    readonly state: { readonly subscriptions: readonly { readonly filter: string; readonly maxDeliver: number }[] };
  };
  expect(inspected.state.subscriptions).toMatchObject([{ filter: "orders.*", maxDeliver: 1 }]);
  expect(await said(["inspect", "node/n1", ...log])).toContain("maxDeliver: 1");
  expect(await said(["inspect", session, "--diff", "0", dead, ...log])).toContain("subscriptions");

  // Its connection is known, though it is gone; and so is who is there.
  expect(await untilSaid(["why", connection, ...log], "socketClosed 1000")).toContain("socketClosed 1000");
  expect(await said(["actors", "--kind", "session", ...log])).toContain(`session/${session}`);
  expect(await said(["lag", ...log])).toContain("Nobody is behind");
  expect(await said(["replay", "orders.*", "--speed", "max", ...log])).toMatch(/one\n.*two\n.*three\n$/s);

  // The same in another process, from the exported file alone, and what is different with the setting corrected.
  const file = join(folder, `${name}.weir`);
  const hidden = join(folder, `${name}-hidden.weir`);
  expect(await said(["record", file, ...log])).toContain("Wrote 4 records");
  await said(["record", hidden, "--anonymise", ...log]);
  expect(await said(["why", session, "--log", `file:${file}`])).toBe(why);
  expect(await said(["play", file, "--filter", "orders.*", "--speed", "max"])).toMatch(/one\n.*two\n.*three\n$/s);
  for (const same of [file, hidden]) expect(await said(["shadow", same])).toContain("No differences");
  const corrected = await said(["shadow", file, "--set", "websocket.limits.maxDeliver=10"], 4);
  expect(corrected).toContain(`session ${session}, event ${dead}: recorded DeadLettered`);
  expect(corrected).toContain('after 1 try: database away"; now Nacked');

  // And into another gateway.
  await using other = await serveWeir(["--log", "memory:"]);
  const played = await said([
    "play",
    file,
    "--filter",
    "orders.*",
    "--speed",
    "max",
    "--to",
    other.url,
    "--prefix",
    "again",
  ]);
  expect(played).toContain("Played 3 records");
  expect(await said(["history", "again.>", "--url", other.url, "--format", "payload"])).toBe("one\ntwo\nthree\n");
}

describe("the story of a wrong setting", () => {
  test(
    "is found on the embedded log, beside the gateway that writes it",
    () => story(["--log", `embedded:${join(folder, "log")}`], "embedded"),
    testMs,
  );

  test(
    "the log is read when its gateway is dead",
    async () => {
      const log = ["--log", `embedded:${join(folder, "dead")}`];
      const gateway = await serveWeir([...log, "--discovery.node", "n1"]);
      const client = connect(gateway.url);
      await client.publish("a", new TextEncoder().encode("x"));
      const session = client.session?.session ?? "";
      await gateway[Symbol.asyncDispose]();
      await client.close();
      expect(await said(["inspect", session, ...log])).toContain("session is attached");
      // Who lived to tell of the connection? Nobody but the session.
      expect(await said(["inspect", "n1/c1", ...log])).toContain(`session: ${session}`);
    },
    testMs,
  );

  test(
    "a log in memory, an unknown actor and a wrong setting are told with what to do",
    async () => {
      expect((await weir(["actors", "--log", "memory:"])).err).toContain("name another one with --log");
      const log = ["--log", `file:${golden}`];
      expect(await weir(["why", "session/nobody", ...log])).toMatchObject({
        exitCode: 1,
        err: "weir: The log holds nothing of session/nobody\n",
      });
      const shadow = await weir(["shadow", golden, "--set", "websocket.port=1"]);
      expect(shadow).toMatchObject({ exitCode: 2 });
      expect(shadow.err).toContain("websocket.port is neither");
    },
    testMs,
  );
});

await describeOnNats("newest", "the story of a wrong setting", () => {
  test(
    "is found on a log on NATS",
    async () => {
      await using server = await startNatsServer();
      await story(["--log", server.url], "nats");
      // And a segment goes into the log there.
      const played = await said([
        "play",
        golden,
        "--filter",
        "jobs.b",
        "--speed",
        "max",
        "--to",
        server.url,
        "--prefix",
        "again",
      ]);
      expect(played).toContain("Played 2 records");
      const there = await said(["replay", "again.>", "--speed", "max", "--log", server.url]);
      expect(there).toMatch(/again\.jobs\.b {2}poison\n.*again\.jobs\.b {2}"?in a transaction/);
    },
    testMs,
  );
});
