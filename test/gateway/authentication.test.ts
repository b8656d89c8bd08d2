/**
 * Who may come in, what a token allows, and what happens when it changes or runs out while the socket is open.
 */
import { describe, expect, test } from "bun:test";
import { type CryptoKey, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { type JwtConfig, jwtAuthenticator } from "../../src/runtime/auth.ts";
import { rawWebSocket } from "../support/raw-websocket.ts";
import { Stage, SteeredClock, until } from "./stage.ts";

const secret = "a secret of at least thirty-two characters";
const hmac = new TextEncoder().encode(secret);
const rsa = await generateKeyPair("RS256", { extractable: true });
const ed = await generateKeyPair("EdDSA", { extractable: true });
const hs256: JwtConfig = { algorithms: ["HS256"], key: { kind: "secret", secret }, clockToleranceMs: 0 };
const rs256: JwtConfig = { algorithms: ["RS256"], key: { kind: "publicKey", text: await exportSPKI(rsa.publicKey) } };
const eddsa: JwtConfig = { algorithms: ["EdDSA"], key: { kind: "publicKey", text: await exportSPKI(ed.publicKey) } };

type Claims = { readonly publish?: readonly string[]; readonly subscribe?: readonly string[] };
type Signing = {
  readonly alg: string;
  readonly key: CryptoKey | Uint8Array;
  readonly sub?: string;
  readonly exp?: number;
};
const byHmac: Signing = { alg: "HS256", key: hmac };

async function tokenOf(weir: Claims, { alg, key, sub = "anna", exp }: Signing = byHmac): Promise<string> {
  const token = new SignJWT({ weir }).setProtectedHeader({ alg }).setSubject(sub);
  return (exp === undefined ? token : token.setExpirationTime(exp)).sign(key);
}
function open(config: JwtConfig = hs256, clock = new SteeredClock()): Promise<Stage> {
  return Stage.open({ clock, authenticator: jwtAuthenticator(config, { clock }) });
}

const orders: Claims = { publish: ["orders.>"], subscribe: ["orders.>", "news"] };

describe("gateway with tokens", () => {
  const algorithms: [string, JwtConfig, CryptoKey | Uint8Array][] = [
    ["HS256", hs256, hmac],
    ["RS256", rs256, rsa.privateKey],
    ["EdDSA", eddsa, ed.privateKey],
  ];
  test.each(algorithms)(
    "allows what a token signed with %s claims, and nothing beside it",
    async (alg, config, key) => {
      await using stage = await open(config);
      const client = await stage.world().open({ token: await tokenOf(orders, { alg, key }) });
      const reception = await client.subscribe("orders.*");
      expect(await client.publishOne("orders.1", "mine")).toBeGreaterThan(0);
      expect((await reception.take(1))[0]?.topic).toBe("orders.1");

      client.peer.send({ type: "publish", first: 2, records: [{ topic: "news", payload: new Uint8Array() }] });
      const { upTo, refused } = await client.peer.expect("published");
      expect([upTo, refused?.map(({ n, cause }) => [n, cause])]).toEqual([2, [[2, "publishForbidden"]]]);

      client.peer.send({ type: "subscribe", ref: 9, filter: ">" });
      await client.peer.refusal("subscribeForbidden", (error) => error.ref === 9);
      client.peer.send({ type: "read", ref: 10, filter: "secrets" });
      await client.peer.refusal("subscribeForbidden", (error) => error.ref === 10);
      expect(stage.log.info().records).toBe(1);
    },
  );

  test("refuses a socket without a token, and says so", async () => {
    await using stage = await open();
    const peer = await stage.world().dial();
    peer.send({ type: "hello" });
    await peer.refusal("unauthenticated");
    await peer.ended("unauthenticated");
  });

  test("refuses a token that another key signed", async () => {
    await using stage = await open();
    const peer = await stage.world().dial();
    const key = new TextEncoder().encode("another secret of at least thirty-two characters");
    peer.send({ type: "hello", token: await tokenOf(orders, { alg: "HS256", key }) });
    await peer.refusal("tokenInvalid");
    await peer.ended("unauthenticated");
  });

  test("refuses a token that has run out with close tokenExpired", async () => {
    const clock = new SteeredClock();
    await using stage = await open(hs256, clock);
    const peer = await stage.world().dial();
    peer.send({ type: "hello", token: await tokenOf(orders, { ...byHmac, exp: clock.now() / 1_000 - 1 }) });
    await peer.ended("tokenExpired");
  });

  test("does not resume a session for another subject, and leaves it to its owner", async () => {
    await using stage = await open();
    const world = stage.world();
    const anna = await world.open({ token: await tokenOf(orders) });
    const { session, resumeKey } = anna.welcome;
    const thief = await world.open({ session, resumeKey, token: await tokenOf(orders, { ...byHmac, sub: "bob" }) });
    expect([thief.welcome.outcome, thief.welcome.cause]).toEqual(["opened", "subjectChanged"]);
    expect(thief.welcome.session).not.toBe(session);
    await anna.peer.fence();
    const back = await world.resume(anna, { token: await tokenOf(orders) });
    expect(back.welcome.owner).toBe(2);
  });
});

describe("AUTH on a live connection", () => {
  test("ends subscriptions that narrower claims no longer cover, and keeps the others", async () => {
    await using stage = await open();
    const world = stage.world();
    const client = await world.open({ token: await tokenOf({ ...orders, publish: [">"] }) });
    const kept = await client.subscribe("orders.*");
    const lost = await client.subscribe("news");
    client.peer.send({
      type: "auth",
      token: await tokenOf({ publish: ["orders.>", "news"], subscribe: ["orders.>"] }),
    });
    const ended = await client.peer.expect("unsubscribed");
    expect([ended.ref, ended.filter, ended.cause]).toEqual([0, "news", "permissionChanged"]);
    await client.peer.expect("authenticated");
    await client.publish([
      { topic: "news", text: "unheard" },
      { topic: "orders.1", text: "heard" },
    ]);
    expect((await kept.take(1)).map(({ topic }) => topic)).toEqual(["orders.1"]);
    await client.peer.fence();
    expect(await lost.pending()).toEqual([]);

    const back = await world.resume(client, { token: await tokenOf(orders) });
    expect((await back.restored("orders.*")).subscribed.filter).toBe("orders.*");
    await back.peer.fence();
    expect(back.peer.unread("subscribed")).toEqual([]);
  });

  test("allows from then on what wider claims cover", async () => {
    await using stage = await open();
    const client = await stage.world().open({ token: await tokenOf({}) });
    client.peer.send({ type: "subscribe", ref: 7, filter: "orders.*" });
    await client.peer.refusal("subscribeForbidden");
    client.peer.send({ type: "auth", token: await tokenOf(orders) });
    await client.peer.expect("authenticated");
    const reception = await client.subscribe("orders.*");
    await client.publishOne("orders.1", "now");
    expect(await reception.take(1)).toHaveLength(1);
  });

  test("refuses a token that does not hold, and goes on with the one in use", async () => {
    await using stage = await open();
    const client = await stage.world().open({ token: await tokenOf(orders) });
    client.peer.send({ type: "auth", token: "not.a.token" });
    await client.peer.refusal("tokenInvalid");
    expect(await client.publishOne("orders.1", "still")).toBe(1);
  });

  test("closes a connection whose new token names another subject", async () => {
    await using stage = await open();
    const client = await stage.world().open({ token: await tokenOf(orders) });
    client.peer.send({ type: "auth", token: await tokenOf(orders, { ...byHmac, sub: "bob" }) });
    expect((await client.peer.ended("forbidden")).cause).toBe("subjectChanged");
  });
});

describe("a token's end", () => {
  test("closes the connection with tokenExpired, and the session resumes with a new token", async () => {
    const clock = new SteeredClock();
    await using stage = await open(hs256, clock);
    const world = stage.world();
    const exp = clock.now() / 1_000 + 5;
    const client = await world.open({ token: await tokenOf(orders, { ...byHmac, exp }) });
    expect(client.welcome.expiresAt).toBe(exp * 1_000);
    clock.advance(4_999);
    await client.peer.fence();
    clock.advance(1);
    await client.peer.ended("tokenExpired");
    const { session, resumeKey } = client.welcome;
    const back = await world.open({ session, resumeKey, token: await tokenOf(orders) });
    expect(back.welcome.outcome).toBe("resumed");
  });

  test("is moved by AUTH", async () => {
    const clock = new SteeredClock();
    await using stage = await open(hs256, clock);
    const seconds = clock.now() / 1_000;
    const client = await stage.world().open({ token: await tokenOf(orders, { ...byHmac, exp: seconds + 5 }) });
    client.peer.send({ type: "auth", token: await tokenOf(orders, { ...byHmac, exp: seconds + 9 }) });
    expect((await client.peer.expect("authenticated")).expiresAt).toBe((seconds + 9) * 1_000);
    clock.advance(5_000);
    await client.peer.fence();
    clock.advance(4_000);
    await client.peer.ended("tokenExpired");
  });
});

test("a gateway without an origin policy lets in its own pages and clients that are no browsers, no other page", async () => {
  await using stage = await Stage.open();
  const host = new URL(stage.url).host;
  const answers: [string | undefined, number][] = [
    [undefined, 101],
    [`http://${host}`, 101],
    ["https://evil.example", 403],
    ["http://localhost:1", 403],
    ["null", 403],
    [`http://${host}.evil.example`, 403],
    ["not an origin", 403],
  ];
  for (const [origin, status] of answers) {
    const events = { open: () => undefined, message: () => undefined, close: () => undefined };
    const socket = rawWebSocket({ url: stage.url, subprotocols: ["weir.v1.json"], origin, events });
    expect([origin, (await socket.answer).status]).toEqual([origin, status]);
    if (status === 101) socket.close(1000, "");
  }
  await until(async () => (await stage.metric("websocket_connections")) === 0, "no connection is left");
});
