/**
 * `--url`: what a running gateway holds in memory joins what its log tells, over its REST API, for those who may see it.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../../src/client/mod.ts";
import { serveWeir, weir } from "../../support/weir-command.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-live-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const testMs = 90_000;

/** By hand: the SDK sends a transaction when it is committed. */
async function openTransaction(url: string): Promise<{ readonly session: string; readonly socket: WebSocket }> {
  const socket = new WebSocket(url, "weir.v1.json");
  const session = Promise.withResolvers<string>();
  const answered = Promise.withResolvers<void>();
  const frames = [
    { type: "hello" },
    { type: "begin", tx: 1 },
    { type: "publish", tx: 1, records: [{ topic: "invoices.eu", payload: "one" }] },
    { type: "ping", id: 1 },
  ];
  socket.onopen = () => {
    for (const frame of frames) socket.send(JSON.stringify(frame));
  };
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(String(data)) as { readonly type: string; readonly session?: string };
    if (frame.type === "welcome") session.resolve(frame.session ?? "");
    if (frame.type === "pong") answered.resolve();
  };
  await answered.promise;
  return { session: await session.promise, socket };
}

test(
  "weir inspect and who with --url tell credit, open transactions and what is in flight; a wrong key is refused",
  async () => {
    await using gateway = await serveWeir(["--log", `embedded:${folder}`]);
    const key = readFileSync(join(folder, "admin-key"), "utf8").trim();
    const client = connect(gateway.url);
    const reached = Promise.withResolvers<void>();
    const held = Promise.withResolvers<void>();
    const orders = client.subscribe("orders.>", { qos: 1 }, async () => {
      reached.resolve();
      await held.promise; // delivered, and not acknowledged while we look
    });
    await orders.ready;
    const { seq } = await client.publish("orders.eu", "one");
    await reached.promise;
    const session = client.session?.session ?? "";
    const log = ["--log", `embedded:${folder}`, "--json"];
    const live = [...log, "--url", gateway.http, "--token", key];

    const inspected = JSON.parse((await weir(["inspect", `session/${session}`, ...live])).out) as {
      readonly live: Record<string, unknown>;
    };
    expect(inspected.live).toMatchObject({
      id: session,
      status: "attached",
      credit: { records: expect.any(Number), bytes: expect.any(Number) },
      subscriptions: [
        { filter: "orders.>", chains: expect.arrayContaining([expect.objectContaining({ inFlightRecords: 1 })]) },
      ],
    });
    const fates = async (args: readonly string[]) =>
      (JSON.parse((await weir(["who", "orders.eu", String(seq), ...args])).out) as { rows: { fate: string }[] }).rows;
    expect(await fates(live)).toMatchObject([{ session, fate: "sent" }]);
    expect(await fates(log)).toMatchObject([{ session, fate: "owed" }]);

    const bare = await openTransaction(gateway.url);
    const inTransaction = JSON.parse((await weir(["inspect", `session/${bare.session}`, ...live])).out);
    expect(inTransaction).toMatchObject({ live: { openTransactions: [{ tx: 1, records: 1 }] } });
    bare.socket.close();

    const refused = await weir(["inspect", `session/${session}`, ...log, "--url", gateway.http, "--token", "wrong"]);
    expect(refused.exitCode).not.toBe(0);
    expect(refused.err).toContain("answers 401");
    held.resolve();
    await client.close();
  },
  testMs,
);
