/**
 * REST of a real gateway, the same on either log: what an operator reads of clients at work, looks back at, publishes and
 * changes. A change of settings is one fact in the node's journal, whichever way it came, and none where nothing changed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect } from "../../../src/client/mod.ts";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { describeOnNats } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type ServingGateway, serveWeir } from "../../support/weir-command.ts";

const testMs = 60_000;
const key = "key-of-ada";
type Opened = AsyncDisposable & { readonly url: string };

/** `open`: the log, as `--log` names it. */
function sameOn(open: () => Promise<Opened>): void {
  let log: Opened;
  let gateway: ServingGateway;
  let client: Client;
  let session = "";

  beforeAll(async () => {
    log = await open();
    const env = { WEIR_SECURITY__API_KEYS: `ada:admin:${keyDigest(key)}` };
    const options = ["--discovery.node", "n1", "--profile", "development", "--log-level", "info"];
    gateway = await serveWeir(["--log", log.url, ...options], { env });
    client = connect(gateway.url);
    await client.subscribe("orders.>", { qos: 1 }, () => undefined).ready;
    session = client.session?.session ?? "";
  }, testMs);
  afterAll(async () => {
    await client?.close();
    await gateway?.[Symbol.asyncDispose]();
    await log?.[Symbol.asyncDispose]();
  });

  async function call<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<T> {
    const response = await fetch(`${gateway.http}${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
  const get = <T>(path: string): Promise<T> => call<T>("GET", path);
  type List<T = object> = { readonly items: readonly T[]; readonly next?: string };

  test(
    "publishes a batch once, and reads it back in pages, forward, backward and by topic",
    async () => {
      const records = [1, 2, 3].map((n) => ({ topic: `orders.${n}`, payload: { n } }));
      const publish = () =>
        call<{ seqs: number[]; duplicate: boolean }>(
          "POST",
          "/api/v1/publish",
          { records },
          { "Idempotency-Key": "k1" },
        );
      const { seqs, duplicate } = await publish();
      expect([seqs.length, duplicate, (await publish()).duplicate]).toEqual([3, false, true]);
      const first = await get<List<{ seq: number; payload: object }>>("/api/v1/topics/orders.%3E/records?max=2");
      const rest = await get<List<{ seq: number; payload: object }>>(
        `/api/v1/topics/orders.%3E/records?max=2&cursor=${first.next}`,
      );
      const both = [...first.items, ...rest.items];
      expect(both.map(({ seq, payload }) => [seq, payload])).toEqual(seqs.map((seq, i) => [seq, { n: i + 1 }]));
      const back = await get<List<{ seq: number }>>("/api/v1/topics/orders.%3E/records?backward=true&max=1");
      expect(back.items.map(({ seq }) => seq)).toEqual([seqs[2] as number]);
      const topics = await get<List<{ topic: string }>>("/api/v1/topics?filter=orders.%3E");
      expect(topics.items.map(({ topic }) => topic)).toEqual(["orders.1", "orders.2", "orders.3"]);
      const ledger = await get<{ rows: object[] }>(`/api/v1/topics/orders.1/records/${seqs[0]}/ledger`);
      expect(ledger.rows).toContainEqual(expect.objectContaining({ session, filter: "orders.>" }));
    },
    testMs,
  );

  test(
    "shows sessions, connections, subscriptions, nodes, and what their journals tell",
    async () => {
      const lists: readonly (readonly [string, object])[] = [
        ["sessions", { id: session, status: "attached" }],
        ["connections", { session, state: "open" }],
        ["subscriptions", { session, filter: "orders.>", qos: 1 }],
        ["nodes", { id: "n1", self: true }],
        ["journals/session", { id: session, state: "attached" }],
      ];
      for (const [list, wanted] of lists)
        expect((await get<List>(`/api/v1/${list}`)).items).toContainEqual(expect.objectContaining(wanted));
      expect(await get<object>(`/api/v1/sessions/${session}/state`)).toMatchObject({
        statechart: { state: "attached" },
      });
      const events = (await get<List<{ type: string }>>(`/api/v1/sessions/${session}/timeline`)).items;
      expect(events.map(({ type }) => type).slice(0, 3)).toEqual(["Opened", "Attached", "Subscribed"]);
      expect(await get<object>(`/api/v1/sessions/${session}/lag`)).toMatchObject({ session });
      // Positions are journalled a second later: until then it is behind.
      const why = (await get<List<{ cause: string }>>(`/api/v1/sessions/${session}/why`)).items;
      expect(why.filter(({ cause }) => cause !== "behind")).toEqual([]);
      for (const path of ["/stats", "/api/v1/network/dashboard/summary", "/api/v1/alerts", "/admin/stats"])
        await get(path);
    },
    testMs,
  );

  test(
    "journals a change of settings once, by PATCH, by configure and by nothing that changes nothing",
    async () => {
      const configured = async () => {
        const { items } = await get<List<{ type: string; event: { limits: object } }>>(
          "/api/v1/journals/node/n1/timeline",
        );
        return items.filter(({ type }) => type === "Configured").map(({ event }) => event.limits);
      };
      const settings = (credit: number) => ({ settings: { "websocket.limits.publishCreditRecords": credit } });
      const until = async (count: number): Promise<object[]> => {
        for (;;) {
          const told = await configured();
          if (told.length >= count) return told;
          await Bun.sleep(20);
        }
      };
      await call("PATCH", "/admin/config", settings(77));
      await until(1);
      await call("PATCH", "/admin/config", settings(77));
      gateway.child.kill("SIGHUP");
      await gateway.line("configuration unchanged");
      await call("POST", "/api/v1/network/optimization/configure", settings(78));
      // What the same again and the signal would have told stands before this one.
      expect(await until(2)).toEqual([{ publishCreditRecords: 77 }, { publishCreditRecords: 78 }]);
      const audit = await get<List<{ who: string; action: string; after: object }>>("/api/v1/audit");
      const changes = audit.items.filter(({ action }) => action === "config.change");
      expect(changes.map(({ who }) => who)).toEqual(["key ada", "key ada", "key ada"]);
    },
    testMs,
  );

  test(
    "ends a session, whose journal and whose client say who ended it",
    async () => {
      const other = connect(gateway.url);
      const lost = Promise.withResolvers<string>();
      other.on("lost", ({ cause }) => lost.resolve(cause));
      await other.subscribe("prices.>", { qos: 1 }, () => undefined).ready;
      const ended = other.session?.session ?? "";
      await call("POST", `/api/v1/sessions/${ended}/expire`);
      expect(await lost.promise).toBe("expiredByOperator");
      await other.close();
      const why = await get<List<{ cause: string }>>(`/api/v1/sessions/${ended}/why`);
      expect(why.items.map(({ cause }) => cause)).toEqual(["expiredByOperator"]);
    },
    testMs,
  );
}

describe("REST beside an embedded log", () => {
  sameOn(async () => {
    const folder = mkdtempSync(join(tmpdir(), "weir-rest-log-"));
    const end = async (): Promise<void> => rmSync(folder, { recursive: true, force: true });
    return { url: `embedded:${folder}`, [Symbol.asyncDispose]: end };
  });
});

await describeOnNats("newest", "REST beside a log on NATS", () => {
  sameOn((): Promise<NatsServer> => startNatsServer());
});
