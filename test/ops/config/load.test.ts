/**
 * Which source wins, and what is said about a bad one.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { type ConfigSources, loadConfig, problemLine } from "../../../src/ops/config/load.ts";
import type { Config } from "../../../src/ops/config/profile.ts";
import { settingKinds } from "../../../src/ops/config/schema.ts";
import { limits } from "../../../src/protocol/limits.ts";

const file = "weir.yaml";
const secret = "a".repeat(32);

function load(sources: Partial<ConfigSources> & { readonly file?: string }) {
  const flags = sources.file === undefined ? sources.flags : { config: file, ...sources.flags };
  return loadConfig({ flags: flags ?? {}, env: sources.env ?? {}, readFile: () => sources.file ?? "" });
}
function configOf(sources: Parameters<typeof load>[0]): Config {
  const loaded = load(sources);
  if (!loaded.ok) throw new Error(loaded.problems.map(problemLine).join("; "));
  return loaded.config;
}
function problemsOf(sources: Parameters<typeof load>[0]): readonly string[] {
  const loaded = load(sources);
  return loaded.ok ? [] : loaded.problems.map(problemLine);
}

describe("loadConfig() without any source", () => {
  test("listens on loopback, writes beside the process, and lets anybody of this machine in", () => {
    expect(configOf({})).toEqual({
      profile: "development",
      server: { host: "127.0.0.1", port: 8080 },
      log: {
        url: "embedded:./weir-data",
        store: { kind: "embedded", directory: "./weir-data" },
        retention: { ageMs: 0, bytes: 0, records: 0 },
      },
      security: { anonymous: { allow: true, publish: [">"], subscribe: [">"] }, origins: ["localhost"] },
      sessionsMax: 100_000,
      limits,
      logging: { level: "info" },
    });
  });
});

describe("loadConfig() with several sources", () => {
  test("takes the default, then the file, then the environment, then the flag", () => {
    const yaml = "server: { port: 1001, host: localhost }\nlog: { url: 'memory:' }\nlogging: { level: debug }";
    const env = { WEIR_PORT: "1002", WEIR_LOG_LEVEL: "warn", PATH: "/bin" };
    const { server, log, logging } = configOf({ file: yaml, env, flags: { port: "1003" } });
    expect({ server, url: log.url, logging }).toEqual({
      server: { host: "localhost", port: 1003 },
      url: "memory:",
      logging: { level: "warn" },
    });
  });

  test("reads JSON as it reads YAML, and a section without content as absent", () => {
    expect(configOf({ file: '{"server": {"port": 1001}}' }).server.port).toBe(1001);
    expect(configOf({ file: "server:\nlimits:\n" }).server.port).toBe(8080);
  });

  test("takes the file's path from the environment when no flag names one", () => {
    const readFile = (path: string) => `server: { host: ${path} }\nprofile: development`;
    const loaded = loadConfig({ flags: {}, env: { WEIR_CONFIG: "there" }, readFile });
    expect(loaded.ok && loaded.config.server.host).toBe("there");
  });

  test("reads every setting from the environment by its general name, typed", () => {
    const env = {
      WEIR_SECURITY__JWT__SECRET: "1".repeat(32),
      WEIR_SECURITY__ORIGINS: "https://a.example, https://b.example",
      WEIR_LIMITS__FRAME_BYTES_MAX: "2000000",
      WEIR_SECURITY__ANONYMOUS__ALLOW: "false",
    };
    const { security, limits: inForce } = configOf({ env });
    expect(security.jwt?.key).toEqual({ kind: "secret", secret: "1".repeat(32) });
    expect(security.origins).toEqual(["https://a.example", "https://b.example"]);
    expect(inForce).toEqual({ ...limits, frameBytesMax: 2_000_000 });
    expect(security.anonymous.allow).toBe(false);
  });

  test("reads every setting from a flag by its dotted name", () => {
    expect(configOf({ flags: { "limits.maxDeliver": "3" } }).limits.maxDeliver).toBe(3);
  });
});

describe("loadConfig() with a bad setting", () => {
  test("names the file and the path, and what is allowed there", () => {
    expect(problemsOf({ file: "server: { prot: 1 }" })).toEqual([
      "weir.yaml: server.prot: Unknown setting, expected one of: host, port, node, tls",
    ]);
    expect(problemsOf({ file: "server: { port: 70000 }" })).toEqual([
      "weir.yaml: server.port: must be a whole number from 0 to 65535, got 70000",
    ]);
    expect(problemsOf({ file: "server: 3" })).toEqual([
      "weir.yaml: server: Expected a section with host, port, node, tls, got a number",
    ]);
  });

  test("names the variable, also one that it does not know", () => {
    expect(problemsOf({ env: { WEIR_PORT: "eighty" } })).toEqual([
      'environment WEIR_PORT: server.port: must be a whole number from 0 to 65535, got "eighty"',
    ]);
    expect(problemsOf({ env: { WEIR_PROT: "1" } })).toEqual([
      "environment WEIR_PROT: Unknown variable, did you mean WEIR_PORT? All of them: weir serve --help",
    ]);
  });

  test("names the flag, and tells all problems of all sources at once", () => {
    const problems = problemsOf({ file: "a: 1", env: { WEIR_LOG_LEVEL: "loud" }, flags: { log: "nats:x" } });
    expect(problems).toEqual([
      "weir.yaml: a: Unknown setting, expected one of: profile, server, log, security, sessions, limits, logging",
      'flag --log: log.url: must be embedded:<directory>, memory or nats://<host>:<port>[,nats://…], got "nats:x"',
      'environment WEIR_LOG_LEVEL: logging.level: must be one of debug, info, warn, error, silent, got "loud"',
    ]);
  });

  test("says which file cannot be read or parsed", () => {
    expect(problemsOf({ file: "a: [1" })[0]).toStartWith("weir.yaml: Not valid YAML or JSON: ");
    const readFile = (): string => {
      throw new Error("ENOENT: no such file");
    };
    expect(loadConfig({ flags: { config: "gone.yaml" }, env: {}, readFile })).toEqual({
      ok: false,
      problems: [{ where: "gone.yaml", message: "Cannot be read: ENOENT: no such file" }],
    });
  });

  test("never repeats a secret", () => {
    const problems = problemsOf({ env: { WEIR_SECURITY__JWT__SECRET: "hunter2" } });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toEndWith("security.jwt.secret: must be text of 32 to 4096 characters, got 7 characters");
    expect(problems[0]).not.toContain("hunter2");
  });

  test("refuses an origin rule and a filter that can never match", () => {
    expect(problemsOf({ flags: { "security.origins": "https://a.example/path" } })[0]).toStartWith(
      'flag --security.origins: security.origins.0: "https://a.example/path" is no origin rule, expected ',
    );
    expect(problemsOf({ flags: { "security.anonymous.publish": "a..b" } })).toHaveLength(1);
  });

  test("says the unit of a number", () => {
    const flags = { "sessions.resumeWindowMs": "5m", "limits.frameBytesMax": "-1" };
    expect(problemsOf({ flags })).toEqual([
      'flag --sessions.resumeWindowMs: must be a whole number of milliseconds, at least 0, got "5m"',
      "flag --limits.frameBytesMax: must be a whole number of bytes, at least 0, got -1",
    ]);
  });

  test("names the host that is none, before what the host would mean for the profile", () => {
    for (const host of ["300.1.1.1", "1.2.3", "a b", "[::1]", ""]) {
      expect(problemsOf({ flags: { host } })).toEqual([
        `flag --host: server.host: must be an IP address or a host name, got "${host}"`,
      ]);
    }
    for (const host of ["127.0.0.1", "::1", "localhost", "a-1.example"])
      expect(configOf({ flags: { host, profile: "development" } }).server.host).toBe(host);
  });

  test("names the half of a pair that is missing", () => {
    expect(problemsOf({ flags: { "server.tls.cert": "c.pem" } })).toEqual([
      "flag --server.tls.cert: server.tls.key is missing",
    ]);
  });

  test("names the limits that contradict each other", () => {
    expect(problemsOf({ flags: { "limits.frameBytesMax": "10" } })).toEqual([
      "flag --limits.frameBytesMax: With limits.frameBytesMax = 10 this does not hold: a record fits in a frame",
    ]);
    expect(problemsOf({ file: "sessions: { resumeWindowMs: 1 }" })).toEqual([
      "weir.yaml: sessions.resumeWindowMs: With sessions.resumeWindowMs = 1 this does not hold: resume outlives the detection of a loss",
    ]);
  });
});

describe("loadConfig() by profile", () => {
  const nobody =
    "Nobody could connect: the production profile needs security.jwt (secret, publicKeyFile or jwksUrl), or security.anonymous.allow set to true";

  test("is production on a host that others reach, and refuses to run where nobody could connect", () => {
    expect(problemsOf({ flags: { host: "0.0.0.0" } })).toEqual([`configuration: ${nobody}`]);
    expect(problemsOf({ flags: { profile: "production" } })).toEqual([`configuration: ${nobody}`]);
  });

  test("in production admits no anonymous peer and no browser until told so", () => {
    const { security } = configOf({ flags: { profile: "production", "security.jwt.secret": secret } });
    expect(security.anonymous.allow).toBe(false);
    expect(security.origins).toEqual([]);
    expect(configOf({ flags: { host: "0.0.0.0", "security.anonymous.allow": "true" } }).security.anonymous.allow).toBe(
      true,
    );
  });
});

describe("loadConfig() with security.jwt", () => {
  test("never lets a public key serve as a secret", () => {
    expect(configOf({ flags: { "security.jwt.secret": secret } }).security.jwt?.algorithms).toEqual(["HS256"]);
    expect(configOf({ flags: { "security.jwt.publicKeyFile": "k.pem" } }).security.jwt?.algorithms).toEqual([
      "RS256",
      "EdDSA",
    ]);
    expect(
      problemsOf({ flags: { "security.jwt.publicKeyFile": "k.pem", "security.jwt.algorithms": "HS256" } }),
    ).toEqual(["flag --security.jwt.algorithms: HS256 does not go with publicKeyFile, expected RS256 or EdDSA"]);
  });

  test("wants exactly one key", () => {
    const flags = { "security.jwt.secret": secret, "security.jwt.jwksUrl": "https://a.example/jwks" };
    expect(problemsOf({ flags })).toEqual([
      "flag --security.jwt.secret, flag --security.jwt.jwksUrl: Expected exactly one of secret, publicKeyFile, jwksUrl, got 2",
    ]);
  });
});

test("settingKinds names every limit", () => {
  for (const name of Object.keys(limits)) expect(settingKinds.get(`limits.${name}`)).toBe("number");
});
