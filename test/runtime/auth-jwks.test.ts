/** Keys fetched from a real HTTP server. */
import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { jwtAuthenticator } from "../../src/runtime/auth.ts";
import { SigningKeysUnavailable } from "../../src/runtime/auth-keys.ts";
import type { Authenticator } from "../../src/runtime/ports.ts";
import { ManualClock } from "../support/manual-clock.ts";

type Signer = { readonly jwk: JWK; token(): Promise<string> };

async function signer(kid: string, alg: "RS256" | "EdDSA"): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const payload = { sub: kid, weir: { subscribe: [">"] } };
  return {
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" },
    token: () => new SignJWT(payload).setProtectedHeader({ alg, kid }).sign(privateKey),
  };
}

describe("jwtAuthenticator() with a JWKS", () => {
  let answer: () => Response;
  let asked: number;
  let server: Bun.Server<undefined>;
  let clock: ManualClock;
  let subject: Authenticator;

  beforeEach(() => {
    asked = 0;
    server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch() {
        asked += 1;
        return answer();
      },
    });
    clock = new ManualClock(Date.now());
    const key = { kind: "jwks", url: `http://127.0.0.1:${server.port}/keys` } as const;
    subject = jwtAuthenticator({ algorithms: ["RS256", "EdDSA"], key }, { clock });
  });
  afterEach(async () => {
    setSystemTime();
    await server.stop(true);
  });
  const serve = (...signers: Signer[]): void => {
    answer = () => Response.json({ keys: signers.map(({ jwk }) => jwk) });
  };

  test("asks once for the keys of many tokens and picks by key id", async () => {
    const [one, two] = [await signer("one", "RS256"), await signer("two", "EdDSA")];
    serve(one, two);
    const tokens = [await one.token(), await two.token(), await one.token()];
    const results = await Promise.all(tokens.map((token) => subject.authenticate(token)));
    expect(results.map((result) => result.ok && result.identity.subject)).toEqual(["one", "two", "one"]);
    expect(asked).toBe(1);
  });

  test("finds a rotated key once the cooldown has passed, and does not ask for every unknown key", async () => {
    const [old, fresh] = [await signer("old", "EdDSA"), await signer("fresh", "EdDSA")];
    serve(old);
    expect(await subject.authenticate(await old.token())).toMatchObject({ ok: true });
    serve(fresh);
    for (let n = 0; n < 3; n += 1) {
      expect(await subject.authenticate(await fresh.token())).toMatchObject({ ok: false, code: "tokenInvalid" });
    }
    expect(asked).toBe(1);
    setSystemTime(Date.now() + 31_000);
    expect(await subject.authenticate(await fresh.token())).toMatchObject({ ok: true });
    expect(await subject.authenticate(await old.token())).toMatchObject({ ok: false, code: "tokenInvalid" });
    expect(asked).toBe(2);
  });

  test("refuses a key of the set that signs with an algorithm that is not configured", async () => {
    const one = await signer("one", "RS256");
    serve(one);
    const key = { kind: "jwks", url: `http://127.0.0.1:${server.port}/keys` } as const;
    const eddsaOnly = jwtAuthenticator({ algorithms: ["EdDSA"], key }, { clock });
    expect(await eddsaOnly.authenticate(await one.token())).toMatchObject({ ok: false, code: "tokenInvalid" });
  });

  const failures: [string, () => Response, string][] = [
    ["answers 503", () => new Response("", { status: 503 }), "answered 503"],
    ["answers a redirect", () => Response.redirect("http://127.0.0.1:1/"), "answered 302"],
    ["answers no JSON", () => new Response("<html>"), "cannot be had"],
    ["answers no key set", () => Response.json([]), 'answered JSON without a list "keys"'],
    ["answers too much", () => new Response("x".repeat(300_000)), "answered more than 262144 characters"],
  ];
  test.each(failures)("rejects without judging the token when the server %s", async (_, failing, message) => {
    answer = failing;
    const token = await (await signer("one", "EdDSA")).token();
    const rejected = subject.authenticate(token);
    await expect(rejected).rejects.toBeInstanceOf(SigningKeysUnavailable);
    await expect(rejected).rejects.toThrow(message);
  });

  test("rejects when nobody answers, asks again only after a while, and recovers", async () => {
    const one = await signer("one", "EdDSA");
    answer = () => new Response("", { status: 500 });
    await expect(subject.authenticate(await one.token())).rejects.toBeInstanceOf(SigningKeysUnavailable);
    serve(one);
    clock.advance(4_999);
    await expect(subject.authenticate(await one.token())).rejects.toBeInstanceOf(SigningKeysUnavailable);
    expect(asked).toBe(1);
    clock.advance(1);
    expect(await subject.authenticate(await one.token())).toMatchObject({ ok: true });
    expect(asked).toBe(2);
  });

  test("goes on with the keys it has while the server is down", async () => {
    const one = await signer("one", "EdDSA");
    serve(one);
    expect(await subject.authenticate(await one.token())).toMatchObject({ ok: true });
    await server.stop(true);
    expect(await subject.authenticate(await one.token())).toMatchObject({ ok: true });
  });
});
