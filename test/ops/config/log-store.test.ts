/**
 * Which log the settings name, and what is said of settings that do not go together.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { loadConfig, problemLine } from "../../../src/ops/config/load.ts";
import type { LogStore } from "../../../src/ops/config/log-store.ts";

function load(flags: Record<string, string>, file = "{}") {
  const readFile = (path: string): string => {
    if (path === "weir.yaml") return file;
    throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
  };
  return loadConfig({ flags: { config: "weir.yaml", ...flags }, env: {}, readFile });
}
function storeOf(flags: Record<string, string>, file?: string): LogStore {
  const loaded = load(flags, file);
  if (!loaded.ok) throw new Error(loaded.problems.map(problemLine).join("; "));
  return loaded.config.log.store;
}
function problemsOf(flags: Record<string, string>, file?: string): readonly string[] {
  const loaded = load(flags, file);
  return loaded.ok ? [] : loaded.problems.map(problemLine);
}
const plain = { kind: "nats", name: "weir", credentials: { kind: "none" }, monitoring: [] } as const;

describe("loadConfig() of log.url", () => {
  test("names a directory, memory, or one or several NATS servers", () => {
    expect(storeOf({ log: "embedded:/var/lib/weir" })).toEqual({ kind: "embedded", directory: "/var/lib/weir" });
    expect([storeOf({ log: "memory" }), storeOf({ log: "memory:" })]).toEqual([{ kind: "memory" }, { kind: "memory" }]);
    expect(storeOf({ log: "nats://a:4222" })).toEqual({ ...plain, servers: ["a:4222"] });
    expect(storeOf({ log: "nats://a:4222,nats://[::1]:4223/" })).toEqual({
      ...plain,
      servers: ["a:4222", "[::1]:4223"],
    });
  });

  test("asks for TLS with tls://, without any file", () => {
    expect(storeOf({ log: "tls://a:4222" })).toEqual({ ...plain, servers: ["a:4222"], tls: {} });
  });

  test("reads everything of NATS from a file", () => {
    const file = `log:
  url: nats://a:4222
  nats:
    name: shop
    credentialsFile: /etc/weir/shop.creds
    tls: { ca: /etc/weir/ca.pem, cert: /etc/weir/cert.pem, key: /etc/weir/key.pem }
    monitoring: ["http://a:8222/"]`;
    expect(storeOf({}, file)).toEqual({
      kind: "nats",
      servers: ["a:4222"],
      name: "shop",
      credentials: { kind: "jwt", credentialsFile: "/etc/weir/shop.creds" },
      tls: { ca: "/etc/weir/ca.pem", cert: "/etc/weir/cert.pem", key: "/etc/weir/key.pem" },
      monitoring: ["http://a:8222"],
    });
  });

  test("refuses a wrong address, and never repeats a password that stands in it", () => {
    for (const wrong of ["nats:", "nats://", "http://a:4222", "nats://a:4222,b", "nats://a/b", "embedded:"])
      expect(problemsOf({ log: wrong })[0]).toStartWith(
        "flag --log: log.url: must be embedded:<directory>, memory or nats://<host>:<port>[,nats://…], got ",
      );
    const [problem = ""] = problemsOf({ log: "nats://me:hunter2@a:4222" });
    expect(problem).toContain("set log.nats.user and log.nats.password");
    expect(problem).not.toContain("hunter2");
  });
});

describe("loadConfig() of log.nats", () => {
  const nats = { log: "nats://a:4222" };

  test("takes each kind of credentials", () => {
    expect(storeOf({ ...nats, "log.nats.user": "u", "log.nats.password": "p" })).toMatchObject({
      credentials: { kind: "password", user: "u", password: "p" },
    });
    expect(storeOf({ ...nats, "log.nats.token": "t" })).toMatchObject({ credentials: { kind: "token", token: "t" } });
    expect(storeOf({ ...nats, "log.nats.nkeyFile": "f" })).toMatchObject({
      credentials: { kind: "nkey", seedFile: "f" },
    });
  });

  test("refuses two kinds of credentials, half of one, and a certificate without its key", () => {
    expect(problemsOf({ ...nats, "log.nats.token": "t", "log.nats.nkeyFile": "f" })).toEqual([
      "flag --log.nats.token, flag --log.nats.nkeyFile: Expected one of user and password, token, nkeyFile, credentialsFile, got 2",
    ]);
    expect(problemsOf({ ...nats, "log.nats.user": "u" })).toEqual([
      "flag --log.nats.user: Expected log.nats.user and log.nats.password together, got one of them",
    ]);
    expect(problemsOf({ ...nats, "log.nats.tls.cert": "f" })).toEqual([
      "flag --log.nats.tls.cert: Expected cert and key together, got one of them",
    ]);
  });

  test("refuses settings of NATS for another log, an unknown one, and a wrong name", () => {
    expect(problemsOf({ log: "memory", "log.nats.token": "t" })).toEqual([
      "flag --log.nats.token: Only a log on NATS takes log.nats.token, and log.url is memory",
    ]);
    expect(problemsOf({}, "log: { nats: { pasword: x } }")[0]).toStartWith(
      "weir.yaml: log.nats.pasword: Unknown setting, did you mean password? Expected one of: name, user, password, token, ",
    );
    expect(problemsOf({ ...nats, "log.nats.name": "Shop 1" })[0]).toStartWith("flag --log.nats.name: ");
  });

  test("tells of a wrong secret nothing but its length", () => {
    const long = "x".repeat(5_000);
    const [problem = ""] = problemsOf({ ...nats, "log.nats.password": long, "log.nats.user": "u" });
    expect(problem).toEndWith("got 5000 characters");
  });
});
