/**
 * The permissions that docs/operations.md names are enough, and no more than that: its text configures the server.
 * @module
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats, type NatsConnection } from "@nats-io/transport-node";
import { connect } from "../../../src/client/mod.ts";
import { requests } from "../../../src/client/requests.ts";
import { describeOnNats } from "../../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../../support/nats-server.ts";
import { type ServingGateway, serveWeir, weir } from "../../support/weir-command.ts";

const slowMs = 60_000;
const text = readFileSync(join(import.meta.dir, "../../../docs/operations.md"), "utf8");
const documented = /```conf\n(accounts \{[\s\S]*?)\n```/.exec(text)?.[1] ?? "";
const accounts = documented.replace(/\$(\w+)_PASSWORD/g, (_, user: string) => user.toLowerCase());

function credentials(user: string): readonly string[] {
  return [`--log.nats.user=${user}`, `--log.nats.password=${user}`];
}

async function initialised(config = accounts): Promise<NatsServer> {
  const server = await startNatsServer({ config });
  expect(await weir(["nats", "init", "--log", server.url, ...credentials("admin")])).toMatchObject({ exitCode: 0 });
  return server;
}

function gatewayOn(server: NatsServer, ...options: readonly string[]): Promise<ServingGateway> {
  const profile = ["--profile", "production", "--security.anonymous.allow=true", "--log-level", "warn"];
  return serveWeir(["--log", server.url, ...credentials("gateway"), ...profile, ...options]);
}

/** Lines of the log that the gateway wrote until it was told to stop. */
async function ended(gateway: ServingGateway): Promise<readonly Record<string, unknown>[]> {
  gateway.child.kill("SIGTERM");
  const said = await new Response(gateway.child.stderr).text();
  expect(await gateway.child.exited).toBe(0);
  return said
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Subjects that the server refuses this connection, as many as are expected. */
function refusals(nc: NatsConnection): (count: number) => Promise<readonly string[]> {
  const subjects: string[] = [];
  const errors = nc.status()[Symbol.asyncIterator]();
  return async (count) => {
    while (subjects.length < count) {
      const { value: status } = await errors.next();
      if (status.type === "error") subjects.push(/"(\S+)"/.exec(status.error.message)?.[1] ?? status.error.message);
    }
    return subjects;
  };
}

await describeOnNats("newest", "permissions of docs/operations.md", () => {
  test(
    "are enough for a gateway: publishing, delivering, resuming, transactions, history, retention, requests",
    async () => {
      await using server = await initialised();
      await using first = await gatewayOn(server, "--log.retention.records=1000");
      const client = connect(first.url);
      const got: unknown[] = [];
      const arrived = Promise.withResolvers<void>();
      await client.subscribe("orders.>", { qos: 2 }, (record) => {
        if (got.push(record.json()) === 4) arrived.resolve();
      }).ready;
      await client.publish("orders.eu", 1);
      await client.transaction(async (tx) => {
        tx.publish("orders.eu", 2);
        tx.publish("orders.us", 3);
      });
      const api = requests(client);
      await api.serve("prices.*", () => 7).ready;
      expect((await api.request("prices.tea", 1)).json<number>()).toBe(7);
      const port = new URL(first.http).port;
      expect(await ended(first)).toEqual([]);
      const published = client.publish("orders.eu", 4);
      await using second = await gatewayOn(server, `--port=${port}`);
      await published;
      await arrived.promise;
      expect(got).toEqual([1, 2, 3, 4]);
      const history = await weir(["history", "orders.>", "--format", "payload", "--url", second.url]);
      expect(history).toMatchObject({ exitCode: 0, out: "1\n2\n3\n4\n" });
      await client.close();
      expect(await ended(second)).toEqual([]);
    },
    slowMs,
  );

  test(
    "let a gateway neither change a stream nor read another account's subjects",
    async () => {
      await using server = await initialised();
      const nc = await connectNats({
        servers: server.url,
        user: "gateway",
        pass: "gateway",
        inboxPrefix: "_INBOX_weir",
      });
      const refused = refusals(nc);
      nc.publish("$JS.API.STREAM.DELETE.WEIR");
      nc.publish("$JS.API.STREAM.UPDATE.WEIR");
      nc.publish("$JS.API.STREAM.MSG.DELETE.WEIR");
      nc.publish("orders.eu");
      nc.subscribe("weir.t.>", { callback: () => undefined });
      expect(await refused(5)).toEqual([
        "$JS.API.STREAM.DELETE.WEIR",
        "$JS.API.STREAM.UPDATE.WEIR",
        "$JS.API.STREAM.MSG.DELETE.WEIR",
        "orders.eu",
        "weir.t.>",
      ]);
      await nc.close();
    },
    slowMs,
  );

  test(
    "are enough for a service to publish, read, ask and answer on its topics, and none other",
    async () => {
      await using server = await initialised();
      const admin = await connectNats({ servers: server.url, user: "admin", pass: "admin" });
      await jetstream(admin).publish("weir.t.secret", "not for them");
      const options = { user: "orders", pass: "orders", inboxPrefix: "_INBOX_orders" };
      const nc = await connectNats({ servers: server.url, ...options });
      const refused = refusals(nc);
      const js = jetstream(nc);
      await js.publish("weir.t.orders.eu", "1", { msgID: "order-1" });
      const jsm = await jetstreamManager(nc, { checkAPI: false });
      const filter_subject = "weir.t.orders.>";
      await jsm.consumers.add("WEIR", { durable_name: "orders", filter_subject, ack_policy: "explicit" });
      const message = await (await js.consumers.get("WEIR", "orders")).next();
      expect({ subject: message?.subject, text: message?.string() }).toEqual({
        subject: "weir.t.orders.eu",
        text: "1",
      });
      expect(await message?.ackAck()).toBe(true);
      await using gateway = await gatewayOn(server);
      const client = connect(gateway.url);
      const api = requests(client);
      await api.serve("prices.>", () => 7).ready;
      expect((await nc.request("weir.r.prices.tea", "", { timeout: slowMs })).json<number>()).toBe(7);
      nc.subscribe("weir.r.stock.>", { queue: "weir", callback: (_, request) => void request.respond("3") });
      await nc.flush();
      expect((await api.request("stock.tea", 1)).json<number>()).toBe(3);
      await client.close();
      const others = [
        "weir.r.stock.tea",
        "weir.b.beat",
        "weir.t.secret",
        "weir.j.session.x",
        "$JS.API.DIRECT.GET.WEIR",
        "$JS.API.CONSUMER.CREATE.WEIR",
        "$JS.API.CONSUMER.CREATE.WEIR.orders.weir.t.>",
      ];
      for (const subject of others) nc.publish(subject);
      expect(await refused(others.length)).toEqual(others);
      await nc.close();
      await admin.close();
    },
    slowMs,
  );

  test(
    "name in the log what a gateway was refused, and say it at the start",
    async () => {
      const less = accounts.replace('"weir.t.>", "weir.x.*"', '"weir.t.orders.>", "weir.x.*"');
      await using server = await initialised(less);
      await using gateway = await gatewayOn(server);
      const client = connect(gateway.url);
      await client.publish("orders.eu", 1);
      const reader = gateway.child.stderr.getReader();
      const never = client.publish("secret", 1).catch(() => undefined);
      let said = "";
      while (!said.includes("\n")) said += new TextDecoder().decode((await reader.read()).value);
      expect(JSON.parse(said.split("\n")[0] as string)).toMatchObject({
        event: "NATS refused a subject",
        operation: "publish",
        subject: "weir.t.secret",
      });
      await gateway[Symbol.asyncDispose]();
      await client.close();
      await never;

      await using blind = await initialised(accounts.replace('"$JS.API.STREAM.INFO.WEIR", ', ""));
      const failed = await weir([
        ...["serve", "--port", "0", "--log", blind.url, ...credentials("gateway")],
        ...["--profile", "production", "--security.anonymous.allow=true"],
      ]);
      expect(failed).toMatchObject({
        exitCode: 1,
        err: expect.stringContaining(
          "weir: The NATS user may not publish to $JS.API.STREAM.INFO.WEIR: docs/operations.md lists what Weir needs\n",
        ),
      });
    },
    slowMs,
  );
});
