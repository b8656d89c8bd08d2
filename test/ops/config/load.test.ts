/**
 * Which source wins, and what is said about a bad one.
 * @module
 */

import { describe, expect, test } from "bun:test";
import { settings } from "../../../src/ops/config/describe.ts";
import { type ConfigSources, loadConfig, problemLine } from "../../../src/ops/config/load.ts";
import type { Config } from "../../../src/ops/config/profile.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { balancingDefaults } from "../../../src/runtime/cluster/assigner.ts";
import { fixedLimits } from "../../../src/runtime/live-limits.ts";
import { plainRoutesDefault } from "../../../src/runtime/plain/route.ts";

const file = "weir.yaml";
const secret = "a".repeat(32);

/** A disk that holds one file. */
function only(content: string) {
  return (path: string): string => {
    if (path === file) return content;
    throw Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" });
  };
}
function load(sources: Partial<ConfigSources> & { readonly file?: string }) {
  const flags = sources.file === undefined ? sources.flags : { config: file, ...sources.flags };
  return loadConfig({ flags: flags ?? {}, env: sources.env ?? {}, readFile: only(sources.file ?? "") });
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
      websocket: {
        host: "127.0.0.1",
        port: 8080,
        sessionsMax: 100_000,
        inflowBytesMax: 67_108_864,
        backpressureBytesMax: 4_194_304,
        plainRoutes: [...plainRoutesDefault],
        limits,
      },
      log: {
        url: "embedded:./weir-data",
        store: { kind: "embedded", directory: "./weir-data" },
        retention: { ageMs: 0, bytes: 0, records: 0 },
      },
      security: { anonymous: { allow: true, publish: [">"], subscribe: [">"] }, origins: ["localhost"], apiKeys: [] },
      discovery: { weight: 1 },
      balancing: {
        ...{ admissionPerSecondMax: 5_000, admissionBurstMax: 10_000, connectionsPerSecondMax: 500 },
        ...{ ...balancingDefaults, failover: [], geoip: {} },
      },
      scaling: { drainTimeoutMs: 25_000 },
      logging: { level: "info" },
      monitoring: { history: true },
      cache: { recentRecords: 16_384, recentBytes: 16_777_216 },
      lifecycle: { events: [] },
      persistence: { journalKeepMs: 604_800_000 },
    });
  });
});

describe("loadConfig() with several sources", () => {
  test("takes the default, then the file, then the environment, then the flag", () => {
    const yaml = "websocket: { port: 1001, host: localhost }\nlog: { url: 'memory:' }\nlogging: { level: debug }";
    const env = { WEIR_PORT: "1002", WEIR_LOG_LEVEL: "warn", PATH: "/bin" };
    const { websocket, log, logging } = configOf({ file: yaml, env, flags: { port: "1003" } });
    expect({ at: [websocket.host, websocket.port], url: log.url, logging }).toEqual({
      at: ["localhost", 1003],
      url: "memory:",
      logging: { level: "warn" },
    });
  });

  test("reads JSON as it reads YAML, and a section without content as absent", () => {
    expect(configOf({ file: '{"websocket": {"port": 1001}}' }).websocket.port).toBe(1001);
    expect(configOf({ file: "websocket:\nscaling:\n" }).websocket.port).toBe(8080);
  });

  test("takes the file's path from the environment when no flag names one", () => {
    const readFile = (path: string) => (path === "there" ? `websocket: { host: ${path} }\nprofile: development` : "");
    const loaded = loadConfig({ flags: {}, env: { WEIR_CONFIG: "there" }, readFile });
    expect(loaded.ok && loaded.config.websocket.host).toBe("there");
  });

  test("reads every setting from the environment by its general name, typed", () => {
    const env = {
      WEIR_SECURITY__JWT__SECRET: "1".repeat(32),
      WEIR_SECURITY__ORIGINS: "https://a.example, https://b.example",
      WEIR_WEBSOCKET__LIMITS__FRAME_BYTES_MAX: "2000000",
      WEIR_SECURITY__ANONYMOUS__ALLOW: "false",
    };
    const { security, websocket } = configOf({ env });
    expect(security.jwt?.key).toEqual({ kind: "secret", secret: "1".repeat(32) });
    expect(security.origins).toEqual(["https://a.example", "https://b.example"]);
    expect(websocket.limits).toEqual({ ...limits, frameBytesMax: 2_000_000 });
    expect(security.anonymous.allow).toBe(false);
  });

  test("reads every setting from a flag by its dotted name", () => {
    expect(configOf({ flags: { "websocket.limits.maxDeliver": "3" } }).websocket.limits.maxDeliver).toBe(3);
  });
});

describe("loadConfig() with a bad setting", () => {
  test("names the file and the path, and what is allowed there", () => {
    expect(problemsOf({ file: "websocket: { prot: 1 }" })).toEqual([
      "weir.yaml: websocket.prot: Unknown setting, did you mean port? Expected one of: host, port, tls, sessionsMax, inflowBytesMax, backpressureBytesMax, plainRoutes, limits",
    ]);
    expect(problemsOf({ file: "websocket: { port: 70000 }" })).toEqual([
      "weir.yaml: websocket.port: must be a whole number from 0 to 65535, got 70000",
    ]);
    expect(problemsOf({ file: "websocket: 3" })).toEqual([
      "weir.yaml: websocket: Expected a section with host, port, tls, sessionsMax, inflowBytesMax, backpressureBytesMax, plainRoutes, limits, got a number",
    ]);
  });

  test("names the variable, also one that it does not know", () => {
    expect(problemsOf({ env: { WEIR_PORT: "eighty" } })).toEqual([
      'environment WEIR_PORT: websocket.port: must be a whole number from 0 to 65535, got "eighty"',
    ]);
    expect(problemsOf({ env: { WEIR_PROT: "1" } })).toEqual([
      "environment WEIR_PROT: Unknown variable, did you mean WEIR_PORT? All of them: weir serve --help",
    ]);
  });

  test("names the flag, and tells all problems of all sources at once", () => {
    const problems = problemsOf({ file: "a: 1", env: { WEIR_LOG_LEVEL: "loud" }, flags: { log: "nats:x" } });
    expect(problems).toEqual([
      "weir.yaml: a: Unknown setting, expected one of: profile, websocket, log, discovery, balancing, scaling, security, logging, monitoring, cache, lifecycle, persistence",
      'flag --log: log.url: must be embedded:<directory>, memory or nats://<host>:<port>[,nats://…], got "nats:x"',
      'environment WEIR_LOG_LEVEL: logging.level: must be one of debug, info, warn, error, silent, got "loud"',
    ]);
  });

  test("says which file cannot be read or parsed", () => {
    expect(problemsOf({ file: "a: [1" })[0]).toStartWith("weir.yaml: Not valid YAML or JSON: ");
    expect(loadConfig({ flags: { config: "gone.yaml" }, env: {}, readFile: only("") })).toEqual({
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
    const flags = { "websocket.limits.resumeWindowMs": "5m", "websocket.limits.frameBytesMax": "-1" };
    expect(problemsOf({ flags })).toEqual([
      "flag --websocket.limits.frameBytesMax: must be a whole number of bytes from 1 to 1073741824, got -1",
      'flag --websocket.limits.resumeWindowMs: must be a whole number of milliseconds from 1 to 31622400000, got "5m"',
    ]);
  });

  test("names the host that is none, before what the host would mean for the profile", () => {
    for (const host of ["300.1.1.1", "1.2.3", "a b", "[::1]", ""]) {
      expect(problemsOf({ flags: { host } })).toEqual([
        `flag --host: websocket.host: must be an IP address or a host name, got "${host}"`,
      ]);
    }
    for (const host of ["127.0.0.1", "::1", "localhost", "a-1.example"])
      expect(configOf({ flags: { host, profile: "development" } }).websocket.host).toBe(host);
  });

  test("names the half of a pair that is missing", () => {
    expect(problemsOf({ flags: { "websocket.tls.cert": "c.pem" } })).toEqual([
      "flag --websocket.tls.cert: websocket.tls.key is missing",
    ]);
  });

  test("refuses two sources of one accelerator's memory, half a location, and an address that is no WebSocket's", () => {
    const both = { "discovery.accelerator.file": "f", "discovery.accelerator.command": "c" };
    expect(problemsOf({ flags: both })).toEqual([
      "flag --discovery.accelerator.file, flag --discovery.accelerator.command: Name a file or a command, not both",
    ]);
    expect(problemsOf({ flags: { "discovery.location.latitude": "50" } })[0]).toContain("discovery.location.longitude");
    expect(problemsOf({ flags: { "discovery.url": "http://gw-1" } })[0]).toContain("must be a ws or wss URL");
  });

  test("names the limits that contradict each other", () => {
    expect(problemsOf({ flags: { "websocket.limits.frameBytesMax": "10" } })).toEqual(
      [
        "websocket.limits.payloadBytesMax + websocket.limits.headersBytesMax + websocket.limits.topicBytesMax (528640) must be below websocket.limits.frameBytesMax (10): a record fits in a frame",
        "websocket.limits.deliverBytesMax (262144) must be below websocket.limits.frameBytesMax (10): a full delivery fits in a frame",
        "websocket.limits.transactionBytesMax (524288) must be at most websocket.limits.frameBytesMax (10): a transaction stays appendable at once",
      ].map((message) => `flag --websocket.limits.frameBytesMax: ${message}`),
    );
    expect(problemsOf({ file: "websocket: { limits: { resumeWindowMs: 1 } }" })).toEqual([
      "weir.yaml: websocket.limits.resumeWindowMs: websocket.limits.resumeWindowMs (1) must be above twice the sum of websocket.limits.heartbeatMs + websocket.limits.pongMs (60000): resume outlives the detection of a loss",
    ]);
  });
});

describe("loadConfig() by profile", () => {
  const nobody =
    "Nobody could connect: the production profile needs security.jwt (secret, publicKeyFile or jwksUrl), or security.anonymous.allow set to true";

  test("is production on a host that others reach, and refuses to run where nobody could connect", () => {
    expect(problemsOf({ flags: { host: "0.0.0.0" } })).toEqual([`profile production: ${nobody}`]);
    expect(problemsOf({ flags: { profile: "production" } })).toEqual([`profile production: ${nobody}`]);
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

describe("loadConfig() with a profile", () => {
  const files: Readonly<Record<string, string>> = {
    "weir.yaml": "logging: { level: warn }\nwebsocket: { port: 1001 }",
    "weir.testing.yaml": "logging: { level: error }\nwebsocket: { sessionsMax: 7 }",
    "weir.production.yaml": "profile: testing",
  };
  const readFile = (path: string): string => {
    const content = files[path];
    if (content === undefined) throw Object.assign(new Error(`ENOENT ${path}`), { code: "ENOENT" });
    return content;
  };
  const loadAs = (profile: string) => loadConfig({ flags: { config: file, profile }, env: {}, readFile });

  test("in testing keeps nothing and writes little", () => {
    const { log, logging, security } = configOf({ flags: { profile: "testing" } });
    expect([log.store, logging.level, security.anonymous.allow]).toEqual([{ kind: "memory" }, "warn", true]);
  });

  test("reads the profile's file beside the file, which wins over it", () => {
    const loaded = loadAs("testing");
    if (!loaded.ok) throw new Error("refused");
    const origin = (setting: string) => loaded.resolved.get(setting)?.origin;
    expect(loaded.config.websocket.sessionsMax).toBe(7);
    expect(loaded.config.logging.level).toBe("warn");
    expect([origin("websocket.sessionsMax"), origin("logging.level"), origin("log.url")]).toEqual([
      "weir.testing.yaml: websocket.sessionsMax",
      "weir.yaml: logging.level",
      "profile testing",
    ]);
  });

  test("does without a profile's file, and refuses one that names another profile", () => {
    expect(loadAs("development").ok).toBe(true);
    const loaded = loadAs("production");
    expect(loaded.ok ? [] : loaded.problems.map(problemLine)).toContain(
      "weir.production.yaml: profile: The file of a profile cannot name another",
    );
  });
});

describe("loadConfig() with the names of earlier versions", () => {
  test("takes them everywhere, and says where they were given", () => {
    const sources = {
      file: "server: { port: 1001, node: a }\nsessions: { max: 9 }\nlimits: { maxDeliver: 3 }",
      env: { WEIR_SERVER__HOST: "localhost", WEIR_LIMITS__NAK_DELAY_MS: "5" },
      flags: { "sessions.resumeWindowMs": "70000" },
    };
    const { websocket, discovery } = configOf(sources);
    expect([websocket.host, websocket.port, websocket.sessionsMax, discovery.node]).toEqual([
      "localhost",
      1001,
      9,
      "a",
    ]);
    expect(websocket.limits).toEqual({ ...limits, maxDeliver: 3, nakDelayMs: 5, resumeWindowMs: 70_000 });
    expect(problemsOf({ flags: { "server.port": "x" } })[0]).toStartWith(
      "flag --server.port: websocket.port: must be ",
    );
  });

  test("refuses two names of one setting with different values in one source", () => {
    expect(problemsOf({ file: "server: { port: 1 }\nwebsocket: { port: 2 }" })).toEqual([
      "weir.yaml: server.port, weir.yaml: websocket.port: Both set websocket.port, set one of them",
    ]);
    expect(problemsOf({ env: { WEIR_PORT: "1", WEIR_SERVER__PORT: "1" } })).toEqual([]);
  });
});

describe("loadConfig() of monitoring.tracing", () => {
  const endpoint = "http://127.0.0.1:4318/v1/traces";

  test("takes an endpoint with headers, and never repeats one", () => {
    const flags = { "monitoring.tracing.endpoint": endpoint, "monitoring.tracing.headers": "x-key=abc=d,b=c" };
    expect(configOf({ flags }).monitoring.tracing).toEqual({
      endpoint,
      headers: { "x-key": "abc=d", b: "c" },
      ratio: 0.01,
      service: "weir",
    });
    const [problem = ""] = problemsOf({ flags: { ...flags, "monitoring.tracing.headers": "hunter2" } });
    expect(problem).toEndWith("must be name=value, got 7 characters");
  });

  test("refuses headers that would go nowhere", () => {
    expect(problemsOf({ flags: { "monitoring.tracing.headers": "a=b" } })).toEqual([
      "flag --monitoring.tracing.headers: Headers for spans without monitoring.tracing.endpoint, where they would go",
    ]);
  });
});

test("settings describes every limit, with its default, and as live unless clients count on it", () => {
  for (const [name, value] of Object.entries(limits)) {
    expect(settings.get(`websocket.limits.${name}`)).toMatchObject({
      kind: "number",
      default: value,
      live: !fixedLimits.has(name as keyof typeof limits),
    });
  }
});
