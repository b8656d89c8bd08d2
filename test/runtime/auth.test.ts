import { describe, expect, test } from "bun:test";
import {
  type CryptoKey,
  exportJWK,
  exportPKCS8,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { anonymousAuthenticator, authenticator, type JwtConfig, jwtAuthenticator } from "../../src/runtime/auth.ts";
import type { Authenticator } from "../../src/runtime/ports.ts";
import { ManualClock } from "../support/manual-clock.ts";

const secret = "a secret of at least thirty-two characters";
const hmac = new TextEncoder().encode(secret);
const clock = new ManualClock();
const nowS = Math.floor(clock.now() / 1_000);
const rsa = await generateKeyPair("RS256", { extractable: true });
const ed = await generateKeyPair("EdDSA", { extractable: true });
const spki = { rsa: await exportSPKI(rsa.publicKey), ed: await exportSPKI(ed.publicKey) };

const hs256: JwtConfig = { algorithms: ["HS256"], key: { kind: "secret", secret } };
const rs256: JwtConfig = { algorithms: ["RS256"], key: { kind: "publicKey", text: spki.rsa } };
const eddsa: JwtConfig = { algorithms: ["EdDSA"], key: { kind: "publicKey", text: spki.ed } };

type Claims = JWTPayload & { weir?: unknown };
const claims: Claims = {
  sub: "anna",
  exp: nowS + 60,
  weir: { publish: ["orders.>"], subscribe: ["orders.*", "news"] },
};
const sign = (alg: string, key: CryptoKey | Uint8Array, payload: Claims = claims): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg }).sign(key);
const check = async (config: JwtConfig, token: string | undefined) =>
  jwtAuthenticator(config, { clock }).authenticate(token);
const toleranceMs = 5_000;

describe("jwtAuthenticator()", () => {
  const good: [string, JwtConfig, CryptoKey | Uint8Array][] = [
    ["HS256", hs256, hmac],
    ["RS256", rs256, rsa.privateKey],
    ["EdDSA", eddsa, ed.privateKey],
  ];
  test.each(good)("takes a token signed with %s and gives what its claims allow", async (alg, config, key) => {
    expect(await check(config, await sign(alg, key))).toEqual({
      ok: true,
      identity: {
        subject: "anna",
        publish: ["orders.>"],
        subscribe: ["orders.*", "news"],
        expiresAt: (nowS + 60) * 1_000 + toleranceMs,
      },
    });
  });

  test.each([
    ["rsa", rsa, "RS256"],
    ["ed25519", ed, "EdDSA"],
  ] as const)("takes a %s key as JWK", async (_, pair, alg) => {
    const text = JSON.stringify(await exportJWK(pair.publicKey));
    const config: JwtConfig = { algorithms: ["RS256", "EdDSA"], key: { kind: "publicKey", text } };
    expect(await check(config, await sign(alg, pair.privateKey))).toMatchObject({ ok: true });
  });

  test("refuses a missing token as unauthenticated", async () => {
    expect(await check(hs256, undefined)).toEqual({
      ok: false,
      code: "unauthenticated",
      message: "A token is required",
    });
  });

  test("refuses a tampered payload, a tampered signature and a foreign key", async () => {
    const [head, , signature] = (await sign("HS256", hmac)).split(".");
    const payload = Buffer.from(JSON.stringify({ ...claims, sub: "root" })).toString("base64url");
    const foreign = await sign("HS256", new TextEncoder().encode(`${secret}!`));
    const flipped = (await sign("HS256", hmac)).replace(/.{4}$/, "AAAA");
    for (const token of [`${head}.${payload}.${signature}`, foreign, flipped]) {
      const message = "Token does not hold: signature verification failed";
      expect(await check(hs256, token)).toEqual({ ok: false, code: "tokenInvalid", message });
    }
  });

  test("refuses a token without a signature", async () => {
    expect(await check(hs256, new UnsecuredJWT(claims).encode())).toMatchObject({ ok: false, code: "tokenInvalid" });
  });

  test("refuses a public key's text used as HMAC secret", async () => {
    const token = await sign("HS256", new TextEncoder().encode(spki.rsa));
    const config: JwtConfig = { algorithms: ["HS256", "RS256"], key: rs256.key };
    expect(await check(config, token)).toMatchObject({ ok: false, code: "tokenInvalid" });
  });

  test("refuses an algorithm that fits the key but is not configured", async () => {
    const other = await generateKeyPair("RS512", { extractable: true });
    const config: JwtConfig = {
      algorithms: ["RS256"],
      key: { kind: "publicKey", text: await exportSPKI(other.publicKey) },
    };
    expect(await check(config, await sign("RS512", other.privateKey))).toMatchObject({
      ok: false,
      code: "tokenInvalid",
    });
  });

  test.each(["", "x", "a.b.c", "..", "é".repeat(50), "a".repeat(8_193)])(
    "refuses %p as tokenInvalid",
    async (token) => {
      expect(await check(hs256, token)).toMatchObject({ ok: false, code: "tokenInvalid" });
    },
  );

  test("tells an expired token from others, by the clock port and with the tolerance", async () => {
    const later = new ManualClock(clock.now());
    const subject = jwtAuthenticator(hs256, { clock: later });
    const token = await sign("HS256", hmac);
    later.advance(60_000 + toleranceMs - 1_000);
    expect(await subject.authenticate(token)).toMatchObject({ ok: true });
    later.advance(1_000);
    expect(await subject.authenticate(token)).toEqual({
      ok: false,
      code: "tokenExpired",
      message: "Token has expired",
    });
  });

  test("refuses a token before its time", async () => {
    const token = await sign("HS256", hmac, { ...claims, nbf: nowS + 10 });
    expect(await check(hs256, token)).toMatchObject({
      ok: false,
      code: "tokenInvalid",
      message: expect.stringContaining("nbf"),
    });
    expect(await check({ ...hs256, clockToleranceMs: 10_000 }, token)).toMatchObject({ ok: true });
  });

  test("refuses another issuer or audience, and their absence", async () => {
    const config: JwtConfig = { ...hs256, issuer: "https://login.example", audience: "weir" };
    const fit = { ...claims, iss: "https://login.example", aud: ["other", "weir"] };
    expect(await check(config, await sign("HS256", hmac, fit))).toMatchObject({ ok: true });
    for (const [claim, wrong] of [
      ["iss", "https://evil.example"],
      ["aud", "other"],
      ["iss", undefined],
      ["aud", undefined],
    ] as const) {
      const token = await sign("HS256", hmac, { ...fit, [claim]: wrong });
      expect(await check(config, token)).toMatchObject({
        ok: false,
        code: "tokenInvalid",
        message: expect.stringContaining(claim),
      });
    }
  });

  test("gives no permission and no expiry that the token does not name", async () => {
    const token = await sign("HS256", hmac, { sub: "anna" });
    expect(await check(hs256, token)).toEqual({ ok: true, identity: { subject: "anna", publish: [], subscribe: [] } });
  });

  const badClaims: [string, object][] = [
    ["Claim sub is not a text of 1 to 1024 characters", { sub: undefined }],
    ["Claim sub is not a text of 1 to 1024 characters", { sub: "" }],
    ["Claim exp is out of range: 1e+300", { exp: 1e300 }],
    ["Claim weir is not an object", { weir: [] }],
    ["Claim weir.publsh is unknown; expected publish, subscribe or role", { weir: { publsh: [] } }],
    ["Claim weir.publish is not a list of filters", { weir: { publish: "orders" } }],
    ["Claim weir.publish[1]: not a text", { weir: { publish: ["a", 1] } }],
    ['Claim weir.subscribe[0]: Filter "a..b" holds an empty token', { weir: { subscribe: ["a..b"] } }],
    ["Claim weir.subscribe holds 257 filters; at most 256 are allowed", { weir: { subscribe: Array(257).fill("a") } }],
  ];
  test.each(badClaims)("refuses claims and names the place: %s", async (message, bad) => {
    const token = await sign("HS256", hmac, { ...claims, ...bad });
    expect(await check(hs256, token)).toEqual({ ok: false, code: "tokenInvalid", message });
  });

  test("throws on a key that cannot serve the algorithms", async () => {
    const privateText = await exportPKCS8(ed.privateKey);
    const privateJwk = JSON.stringify(await exportJWK(ed.privateKey));
    const ec = await exportSPKI((await generateKeyPair("ES256", { extractable: true })).publicKey);
    const bad: [JwtConfig, string][] = [
      [{ ...hs256, algorithms: ["RS256"] }, "The JWT key can check HS256, but the algorithms allowed are RS256"],
      [
        { ...rs256, algorithms: ["EdDSA", "HS256"] },
        "The JWT key can check RS256, but the algorithms allowed are EdDSA, HS256",
      ],
      [{ algorithms: ["EdDSA"], key: { kind: "publicKey", text: privateText } }, "it is a private key"],
      [{ algorithms: ["EdDSA"], key: { kind: "publicKey", text: privateJwk } }, "it is a private key"],
      [{ algorithms: ["EdDSA"], key: { kind: "publicKey", text: ec } }, "is of type ec, expected rsa or ed25519"],
      [{ algorithms: ["EdDSA"], key: { kind: "publicKey", text: "garbage" } }, "The JWT public key cannot be used"],
    ];
    for (const [config, message] of bad) expect(() => jwtAuthenticator(config, { clock })).toThrow(message);
  });
});

describe("anonymousAuthenticator()", () => {
  const anonymous = anonymousAuthenticator({ publish: ["chat.>"], subscribe: [">"] });

  test("gives everybody without a token the configured permissions", async () => {
    const identity = { subject: "", publish: ["chat.>"], subscribe: [">"] };
    expect(await anonymous.authenticate(undefined)).toEqual({ ok: true, identity });
  });

  test("refuses a token rather than ignore it", async () => {
    expect(await anonymous.authenticate("x")).toMatchObject({ ok: false, code: "tokenInvalid" });
  });

  test("throws on a bad filter", () => {
    expect(() => anonymousAuthenticator({ publish: ["a..b"], subscribe: [] })).toThrow(
      'Filter "a..b" holds an empty token',
    );
  });
});

describe("authenticator()", () => {
  const jwt = jwtAuthenticator(hs256, { clock });
  const anonymous = anonymousAuthenticator({ publish: [], subscribe: ["news"] });
  const outcome = async (by: { jwt?: Authenticator; anonymous?: Authenticator }, token?: string): Promise<string> => {
    const result = await authenticator(by).authenticate(token);
    return result.ok ? `ok ${result.identity.subject}` : result.code;
  };

  test("asks for a token unless anonymous clients are allowed", async () => {
    expect(await outcome({ jwt })).toBe("unauthenticated");
    expect(await outcome({ jwt, anonymous })).toBe("ok ");
    expect(await outcome({ anonymous })).toBe("ok ");
    expect(await outcome({})).toBe("unauthenticated");
  });

  test("never takes a bad token for an anonymous client", async () => {
    expect(await outcome({ jwt, anonymous }, "bad")).toBe("tokenInvalid");
    expect(await outcome({ jwt, anonymous }, await sign("HS256", hmac))).toBe("ok anna");
    expect(await outcome({ anonymous }, "bad")).toBe("tokenInvalid");
  });
});
