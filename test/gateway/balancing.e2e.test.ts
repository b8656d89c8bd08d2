/**
 * Three gateways as processes of their own on one nats-server: where clients go, and where they go on.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { type Client, connect } from "../../src/client/mod.ts";
import { keyDigest } from "../../src/ops/rest/access.ts";
import type { Member } from "../../src/runtime/cluster/membership.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { type NatsServer, startNatsServer } from "../support/nats-server.ts";
import { type ServingGateway, serveWeir } from "../support/weir-command.ts";

const key = "hers";
const secret = "a secret of at least thirty-two characters";
const slowMs = 60_000;
const withinMs = 15_000;
const names = ["a", "b", "c"] as const;
type Name = (typeof names)[number];

let server: NatsServer;
let nodes: Readonly<Record<Name, ServingGateway>>;
let clients: Client[] = [];

function start(node: string): Promise<ServingGateway> {
  const settings = [
    `--security.apiKeys=ada:admin:${keyDigest(key)}`,
    `--security.jwt.secret=${secret}`,
    "--security.anonymous.allow=true",
    "--balancing.slowStartMs=0",
  ];
  return serveWeir(["--log", server.url, `--discovery.node=${node}`, ...settings]);
}

async function until(what: string, fact: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await fact())) {
    if (performance.now() > end) throw new Error(`Not in time: ${what}`);
    await Bun.sleep(20);
  }
}

async function ask(node: Name, path: string, init: RequestInit & { token?: string | undefined } = {}) {
  const { token = key, ...rest } = init;
  const headers = { "Content-Type": "application/json", ...(token === "" ? {} : { Authorization: `Bearer ${token}` }) };
  const response = await fetch(`${nodes[node].http}${path}`, { ...rest, headers });
  return { status: response.status, body: (await response.json()) as never };
}

type Shown = { readonly settings: readonly { readonly name: string; readonly value: unknown }[] };

/** Told to one gateway, until all have it. */
async function settle(given: { algorithm?: string; affinity?: string; redirect?: boolean }): Promise<void> {
  const wanted = { algorithm: "powerOfTwo", affinity: "none", redirect: false, ...given };
  const settings = Object.fromEntries(Object.entries(wanted).map(([name, value]) => [`balancing.${name}`, value]));
  const changed = await ask("a", "/admin/config", { method: "PATCH", body: JSON.stringify({ settings }) });
  expect(changed.status).toBe(200);
  for (const node of names) {
    await until(`settings at ${node}`, async () => {
      const shown = (await ask(node, "/admin/config")).body as Shown;
      return Object.entries(settings).every(
        ([name, value]) => shown.settings.find((one) => one.name === name)?.value === value,
      );
    });
  }
}

async function statuses(node: Name): Promise<Readonly<Record<string, string>>> {
  const { items } = (await ask(node, "/api/v1/nodes")).body as { items: { id: string; member: { status: string } }[] };
  return Object.fromEntries(items.map(({ id, member }) => [id, member.status]));
}

/** Of all nodes that live, as one of them knows. */
async function connections(node: Name): Promise<number> {
  const { items } = (await ask(node, "/api/v1/nodes")).body as { items: { member: Member }[] };
  const living = items.filter(({ member }) => member.status === "healthy");
  return living.reduce((sum, { member }) => sum + member.load.connections, 0);
}

async function connected(url: string, token?: string): Promise<Client> {
  const client = connect(url, { reconnect: { minMs: 20, maxMs: 200 }, ...(token === undefined ? {} : { token }) });
  clients.push(client);
  await client.connected();
  return client;
}

function perNode(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { session } of clients) counts[session?.node ?? "none"] = (counts[session?.node ?? "none"] ?? 0) + 1;
  return counts;
}

const tokenOf = (subject: string): Promise<string> =>
  new SignJWT({ weir: { publish: [">"], subscribe: [">"] } })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(subject)
    .setExpirationTime("5m")
    .sign(new TextEncoder().encode(secret));

/** A bare WebSocket with JSON frames: what it is answered, WELCOME or GOAWAY last. */
async function greeted(url: string, hello: Readonly<Record<string, unknown>> = {}, offers: readonly string[] = []) {
  const socket = new WebSocket(url, ["weir.v1.json", ...offers]);
  const frames: Record<string, unknown>[] = [];
  socket.onopen = () => socket.send(JSON.stringify({ type: "hello", ...hello }));
  socket.onmessage = ({ data }) => void frames.push(JSON.parse(String(data)));
  await until("an answer to HELLO", () => frames.some(({ type }) => type === "welcome" || type === "goaway"));
  socket.close();
  return frames;
}

await describeOnNats("newest", "three gateways", () => {
  beforeAll(async () => {
    server = await startNatsServer();
    const [a, b, c] = await Promise.all([start("a"), start("b"), start("c")]);
    nodes = { a, b, c } as typeof nodes;
    for (const node of names) {
      await until(`three healthy nodes at ${node}`, async () => {
        return Object.values(await statuses(node)).filter((status) => status === "healthy").length === 3;
      });
    }
  }, slowMs);
  afterAll(async () => {
    for (const node of names) await nodes[node][Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.close()));
    clients = [];
  });

  describe("assign", () => {
    test("names a node with url, ticket and reason, and the bearer is served there", async () => {
      await settle({ algorithm: "roundRobin", redirect: true });
      for (const node of ["x", "y", "z"]) {
        const { status, body } = await ask("a", "/api/v1/balancer/assign", {
          token: node === "x" ? "" : await tokenOf(node),
        });
        const { url, ticket, node: named } = body as { url: string; ticket: string; node: Name };
        expect([status, url]).toEqual([200, `${nodes[named].url}/`]);
        const frames = await greeted(url, { ticket });
        expect(frames).toMatchObject([{ type: "welcome", node: named }]);
      }
      expect((await ask("a", "/api/v1/balancer/assign", { token: "forged" })).status).toBe(401);
      const { items } = (await ask("a", "/api/v1/balancer/decisions?max=3")).body as {
        items: { way: string; text: string }[];
      };
      expect(items.map(({ way }) => way)).toEqual(["assign", "assign", "assign"]);
      expect(items[0]?.text).toMatch(/^roundRobin: [abc] is \d of 3 in turn$/);
    });

    test("names the node that has the session", async () => {
      await settle({});
      for (const node of names) {
        const client = await connected(nodes[node].url);
        const session = client.session?.session ?? "";
        expect((await ask("a", `/api/v1/balancer/assign?session=${session}`)).body).toMatchObject({
          node,
          why: { rule: "owner", session },
        });
      }
    });
  });

  describe("redirect", () => {
    test(
      "clients that all come to one node are spread over three, and publish and receive there",
      async () => {
        await settle({ redirect: true });
        await until("nobody is anywhere, as a knows", async () => (await connections("a")) === 0);
        for (let i = 0; i < 30; i++) await connected(nodes.a.url);
        const counts = perNode();
        for (const node of names) expect(counts[node]).toBeGreaterThanOrEqual(5);
        const [one, other] = [
          clients.find((c) => c.session?.node === "b"),
          clients.find((c) => c.session?.node === "c"),
        ];
        const got = Promise.withResolvers<string>();
        other?.subscribe("spread", (record) => got.resolve(String(record.json())));
        await one?.publish("spread", "from b");
        expect(await got.promise).toBe("from b");
      },
      slowMs,
    );

    test("a client that ignores where it is sent is served at its second attempt", async () => {
      await settle({ algorithm: "roundRobin", redirect: true });
      let sentAway = 0;
      for (let i = 0; i < 6; i++) {
        const [first] = await greeted(nodes.a.url, {}, ["weir.tickets"]);
        if (first?.["type"] === "welcome") continue;
        sentAway++;
        expect(first).toMatchObject({ type: "goaway", code: 4000, cause: "redirected", retryAfterMs: 0 });
        expect([`${nodes.b.url}/`, `${nodes.c.url}/`]).toContain(first?.["url"] as string);
        expect(await greeted(nodes.a.url, {}, ["weir.tickets"])).toMatchObject([{ type: "welcome", node: "a" }]);
      }
      expect(sentAway).toBeGreaterThanOrEqual(3);
    });

    test("a client that does not offer weir.tickets is served wherever it comes", async () => {
      await settle({ algorithm: "roundRobin", redirect: true });
      for (let i = 0; i < 6; i++) expect(await greeted(nodes.a.url)).toMatchObject([{ type: "welcome", node: "a" }]);
    });

    test("a ticket that is forged, or for another node, is refused by name and its bearer served", async () => {
      await settle({ algorithm: "roundRobin" });
      const forged = await greeted(nodes.a.url, { ticket: "forged" });
      expect(forged).toMatchObject([{ type: "error", code: 730, cause: "ticketRefused" }, { type: "welcome" }]);
      for (;;) {
        const { body } = await ask("b", "/api/v1/balancer/assign");
        const { node, ticket } = body as { node: Name; ticket: string };
        if (node === "a") continue;
        const [error, welcome] = await greeted(nodes.a.url, { ticket });
        expect([error?.["message"], welcome?.["node"]]).toEqual([
          expect.stringContaining(`Ticket is for node ${node}, this is node a`),
          "a",
        ]);
        break;
      }
    });

    test(
      "affinity keeps each user's clients at one node, wherever they come, and users at several",
      async () => {
        await settle({ affinity: "user", redirect: true });
        const homes = new Set<string>();
        for (const user of ["ada", "ben", "cleo", "dan", "eve", "fay"]) {
          const token = await tokenOf(user);
          const own = await Promise.all(names.map((node) => connected(nodes[node].url, token)));
          const at = new Set(own.map(({ session }) => session?.node ?? "none"));
          expect(at.size).toBe(1);
          for (const node of at) homes.add(node);
        }
        expect(homes.size).toBeGreaterThan(1);
      },
      slowMs,
    );
  });

  test(
    "a node that is killed loses its clients to the others, with their sessions, and gets no new ones",
    async () => {
      await settle({ redirect: true });
      await using killed = await start("d");
      for (const node of names) await until("d is there", async () => (await statuses(node))["d"] === "healthy");
      for (let i = 0; i < 16; i++) await connected(nodes.a.url);
      const there = clients.filter(({ session }) => session?.node === "d");
      expect(there.length).toBeGreaterThan(0);
      const sessions = there.map(({ session }) => session?.session);
      killed.child.kill("SIGKILL");
      await until("all are elsewhere", () => there.every((c) => c.status === "connected" && c.session?.node !== "d"));
      expect(there.map(({ session }) => session?.session)).toEqual(sessions);
      await until("the others know", async () => (await statuses("a"))["d"] === "unhealthy");
      for (let i = 0; i < 10; i++)
        expect((await ask("a", "/api/v1/balancer/assign")).body).not.toMatchObject({ node: "d" });
    },
    slowMs,
  );
});
