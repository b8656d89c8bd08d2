/** What the words of `weir balance` ask for. */
import { describe, expect, test } from "bun:test";
import { balanceLimits } from "../../../src/ops/balance/balance-limits.ts";
import { readBalancing } from "../../../src/ops/balance/balance-options.ts";

const one = ["--backend", "ws://10.0.0.5:8080"];
const files: Readonly<Record<string, string>> = { "/cert": "CERT", "/key": "KEY" };
const readFile = (path: string): string => {
  const text = files[path];
  if (text === undefined) throw new Error(`ENOENT: ${path}`);
  return text;
};
const read = (...words: readonly string[]) => readBalancing({ words, env: {}, readFile });

describe("readBalancing()", () => {
  test("with one backend alone has the documented defaults", () => {
    const { server, admin, stopTimeoutMs, logLevel } = read(...one);
    expect(server).toMatchObject({
      ...{ hostname: "127.0.0.1", port: 8_000, algorithm: "powerOfTwo", stickiness: { by: "none" }, tls: undefined },
      ...{ check: { kind: "http", path: "/ready" }, slowStartMs: 10_000, trustedProxies: [] },
      limits: balanceLimits,
    });
    expect(server.specs).toEqual([{ hostname: "10.0.0.5", port: 8_080, secure: false, weight: 1, tier: 0 }]);
    expect(admin).toEqual({ hostname: "127.0.0.1", port: 9_180, token: undefined });
    expect([stopTimeoutMs, logLevel]).toEqual([10_000, "info"]);
  });

  test("reads backends with weight, tier, TLS, default ports and IPv6", () => {
    const words = ["ws://a:1,weight=2.5", "wss://b", "http://[::1]:3,backup,weight=1", "https://c:4"];
    expect(read(...words.flatMap((text) => ["--backend", text])).server.specs).toEqual([
      { hostname: "a", port: 1, secure: false, weight: 2.5, tier: 0 },
      { hostname: "b", port: 443, secure: true, weight: 1, tier: 0 },
      { hostname: "::1", port: 3, secure: false, weight: 1, tier: 1 },
      { hostname: "c", port: 4, secure: true, weight: 1, tier: 0 },
    ]);
  });

  test("hashes where stickiness is by a key, unless told otherwise: then keys are remembered", () => {
    expect(read(...one, "--sticky", "ip").server).toMatchObject({ algorithm: "hash", remembersKeys: false });
    expect(read(...one, "--sticky", "header:X-User", "--algorithm", "leastConnections").server).toMatchObject({
      ...{ algorithm: "leastConnections", remembersKeys: true, stickiness: { by: "header", name: "x-user" } },
    });
  });

  test("needs no backend where a gateway tells them, and asks with the token of the environment", () => {
    const words = ["--discover", "http://a:1", "--discover", "https://b"];
    const { server } = readBalancing({ words, env: { WEIR_TOKEN: "key" }, readFile });
    expect(server.specs).toEqual([]);
    expect(server.discovery).toEqual({
      urls: ["http://a:1", "https://b"],
      token: "key",
      intervalMs: 2_000,
      timeoutMs: 2_000,
    });
  });

  test("takes the token of the admin port from the environment", () => {
    const env = { WEIR_ADMIN_TOKEN: "secret" };
    expect(readBalancing({ words: [...one, "--admin", "0.0.0.0:1"], env, readFile }).admin?.token).toBe("secret");
  });

  const wrong: readonly (readonly [words: readonly string[], says: string])[] = [
    [[], "Name at least one --backend"],
    [["--backend", "10.0.0.5:8080"], "is no backend"],
    [["--backend", "ftp://x"], "is no backend"],
    [["--backend", "ws://x/path"], "paths and queries come from the clients"],
    [["--backend", "ws://x,weight=0"], '"weight=0" says nothing'],
    [["--backend", "ws://x,wieght=1"], '"wieght=1" says nothing'],
    [[...one, ...one], "names 10.0.0.5:8080 twice"],
    [[...one, "--listen", "8000"], "--listen must be an address and a port"],
    [[...one, "--listen", "0.0.0.0:70000"], "--listen must be an address and a port"],
    [[...one, "--sticky", "cookies"], "--sticky must be none, cookie, ip"],
    [[...one, "--algorithm", "geographic"], "--algorithm must be one of"],
    [[...one, "--algorithm", "hash"], "goes by a key"],
    [[...one, "--algorithm", "resourceAware"], "ask one for it with --discover"],
    [["--discover", "10.0.0.5:8080"], "--discover must be the address of a gateway"],
    [[...one, "--tls-cert", "/cert"], "belong together"],
    [[...one, "--tls-cert", "/nothing", "--tls-key", "/key"], "--tls-cert cannot be read: ENOENT"],
    [[...one, "--trust-proxy", "10.0.0.0/40"], "--trust-proxy: "],
    [[...one, "--health", "tcp"], "--health must be one of http, connect, off"],
    [[...one, "--health-path", "ready"], "--health-path must be a path"],
    [[...one, "--rise", "0"], "--rise must be a whole number from 1 to 100"],
    [[...one, "--idle-timeout", "5"], "--idle-timeout must be a duration"],
    [[...one, "--idle-timeout", "0s"], "--idle-timeout must be at most 24h and more than nothing"],
    [[...one, "--head-bytes-max", "10"], "--head-bytes-max must be a whole number from 1024"],
    [[...one, "--connections-max", "0"], "--connections-max must be a whole number from 1"],
    [[...one, "--admin", "0.0.0.0:9180"], "set WEIR_ADMIN_TOKEN"],
    [[...one, "--log-level", "loud"], "--log-level must be one of"],
    [[...one, "--attempts", "1", "--attempts", "2"], "--attempts is given 2 times"],
  ];
  for (const [words, says] of wrong) {
    test(`refuses ${words.join(" ") || "no backend"}`, () => expect(() => read(...words)).toThrow(says));
  }

  test("reads certificate and key, and the one that signs backends'", () => {
    const { tls, backendCa } = read(...one, "--tls-cert", "/cert", "--tls-key", "/key", "--backend-ca", "/cert").server;
    expect([tls, backendCa]).toEqual([{ cert: "CERT", key: "KEY" }, "CERT"]);
  });
});
