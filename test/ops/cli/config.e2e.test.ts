/**
 * `weir config` as people run it, and a gateway whose file changes while clients are connected.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settings } from "../../../src/ops/config/describe.ts";
import { loadConfig } from "../../../src/ops/config/load.ts";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { msgpackCodec } from "../../../src/protocol/codec-msgpack.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { World } from "../../conformance/world.ts";
import { serveWeir, weir } from "../../support/weir-command.ts";

const slowMs = 60_000;
const secret = "s3cret".repeat(8);

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-config-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function file(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe("weir config", () => {
  test(
    "check names every problem, also of the files that the settings name, and the files that it read",
    async () => {
      const good = await file("good.yaml", `profile: production\nsecurity: { jwt: { secret: ${secret} } }`);
      const besides = await file("good.production.yaml", "logging: { level: warn }");
      expect(await weir(["config", "check", "--config", good])).toEqual({
        exitCode: 0,
        out: `Good: profile production, 3 settings given, ${settings.size - 3} by default\n  read ${besides}\n  read ${good}\n`,
        err: "",
      });
      const bad = await file("bad.yaml", "websocket: { port: x }\nlogging: { leven: info }");
      expect(await weir(["config", "check", "--config", bad])).toEqual({
        exitCode: 2,
        out: "",
        err: [
          "weir: Wrong configuration",
          `  ${bad}: logging.leven: Unknown setting, expected one of: level`,
          `  ${bad}: websocket.port: must be a whole number from 0 to 65535, got "x"\n`,
        ].join("\n"),
      });
      const gone = await weir(["config", "check", "--security.jwt.publicKeyFile", "/gone.pem"]);
      expect([gone.exitCode, gone.err]).toEqual([2, expect.stringMatching(/^weir: Cannot read \/gone\.pem: ENOENT/)]);
    },
    slowMs,
  );

  test(
    "show gives a file that means the same, and with --origin why; neither shows a secret",
    async () => {
      const path = await file(
        "shown.yaml",
        "websocket: { port: 9, limits: { maxDeliver: 3 } }\nsecurity: { origins: [] }",
      );
      const shown = await weir(["config", "show", "--config", path, "--log-level", "warn"]);
      const readFile = (): string => shown.out;
      const again = loadConfig({ flags: { config: "weir.yaml" }, env: {}, readFile: withoutProfileFile(readFile) });
      const first = loadConfig({
        flags: { config: "weir.yaml", "log-level": "warn" },
        env: {},
        readFile: withoutProfileFile(
          () => "websocket: { port: 9, limits: { maxDeliver: 3 } }\nsecurity: { origins: [] }",
        ),
      });
      if (!again.ok || !first.ok) throw new Error(JSON.stringify([again, first]));
      expect(again.config).toEqual(first.config);

      const why = await weir(["config", "show", "--origin", "--config", path, "--security.jwt.secret", secret]);
      const row = (setting: string) =>
        why.out
          .split("\n")
          .find((line) => line.startsWith(`${setting} `))
          ?.split(/ {2,}/);
      expect(row("websocket.port")).toEqual(["websocket.port", "9", `${path}: websocket.port`]);
      expect(row("security.jwt.secret")).toEqual(["security.jwt.secret", '"[masked]"', "flag --security.jwt.secret"]);
      expect(row("security.anonymous.allow")?.slice(1)).toEqual(["true", "profile development"]);
      expect(shown.out + why.out).not.toContain("s3cret");
    },
    slowMs,
  );

  test(
    "env gives variables that mean the same",
    async () => {
      const given = ["--port", "9", "--security.origins", "https://a.example,localhost", "--log", "memory"];
      const { out } = await weir([
        "config",
        "env",
        ...given,
        "--log.retention.ageMs",
        "5",
        "--security.jwt.secret",
        secret,
      ]);
      const lines = out.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
      expect(lines.sort()).toEqual([
        "WEIR_LOG__RETENTION__AGE_MS=5",
        "WEIR_LOG__URL=memory",
        "WEIR_SECURITY__ORIGINS=https://a.example,localhost",
        "WEIR_WEBSOCKET__PORT=9",
      ]);
      const env = Object.fromEntries(lines.map((line) => line.split("=") as [string, string]));
      const loaded = loadConfig({ flags: {}, env, readFile: () => "" });
      expect(
        loaded.ok && [loaded.config.websocket.port, loaded.config.log.store, loaded.config.security.origins],
      ).toEqual([9, { kind: "memory" }, ["https://a.example", "localhost"]]);
      expect(out).toContain("# WEIR_SECURITY__JWT__SECRET=\n");
      expect(out).not.toContain("s3cret");
    },
    slowMs,
  );

  test(
    "schema is JSON Schema with the default, range and description of each setting; no section has to be there",
    async () => {
      const schema = JSON.parse((await weir(["config", "schema"])).out);
      expect(schema.required).toEqual([]);
      expect(schema.properties.websocket.properties.limits.properties.heartbeatMs).toEqual({
        default: 20_000,
        description: "A silent connection is sent a PING so often",
        unit: "ms",
        live: true,
        type: "integer",
        minimum: 1,
        maximum: 31_622_400_000,
      });
      expect(schema.properties.cache.additionalProperties).toBe(false);
    },
    slowMs,
  );
});

test(
  "weir config show --url shows what is in force at a gateway, changes at run time and what waits too",
  async () => {
    const key = "key-of-ada";
    const path = await file("shared.yaml", `security: { apiKeys: ["ada:admin:${keyDigest(key)}"] }`);
    await using gateway = await serveWeir(["--config", path, "--log", "memory"]);
    const changed = await fetch(`${gateway.http}/admin/config`, {
      method: "PATCH",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ settings: { "websocket.limits.maxDeliver": 3 } }),
    });
    expect(changed.status).toBe(200);
    const shown = await weir(["config", "show", "--origin", "--url", gateway.http, "--token", key]);
    expect(shown.out).toMatch(/^websocket\.limits\.maxDeliver +3 +changed by key ada$/m);
    expect(shown.out).toMatch(/^log\.url +"memory" +flag --log$/m);
    const refused = await weir(["config", "show", "--url", gateway.http]);
    expect([refused.exitCode, refused.err]).toEqual([1, expect.stringContaining("answers 401 for /admin/config")]);
    const both = await weir(["config", "show", "--url", gateway.http, "--port", "1"]);
    expect([both.exitCode, both.err]).toEqual([2, expect.stringContaining("leave --port out")]);
  },
  slowMs,
);

test(
  "a gateway takes over a file that changes and SIGHUP, keeps its connections, and refuses a wrong file with the reasons",
  async () => {
    const content = (level: string, records: number, more = "") =>
      `logging: { level: ${level} }\nwebsocket: { limits: { publishCreditRecords: ${records} } }\nlog: { url: memory }\n${more}`;
    const path = await file("live.yaml", content("info", 64));
    await using gateway = await serveWeir(["--config", path, "--log-level", "info"]);
    const world = new World({ url: gateway.url, codec: msgpackCodec, handshakeMs: limits.handshakeMs, waitMs: 10_000 });
    const stays = await world.open();

    // As editors and Kubernetes do it: another file takes its place.
    await writeFile(`${path}.new`, content("info", 5, "discovery: { node: other }"));
    await rename(`${path}.new`, path);
    expect(await gateway.line("configuration changed")).toMatchObject({
      because: "a file changed",
      changes: [{ setting: "websocket.limits.publishCreditRecords", before: 64, after: 5 }],
    });
    expect((await world.open()).welcome.credit.records).toBe(5);

    await writeFile(path, content("info", 0, "nonsense: 1"));
    gateway.child.kill("SIGHUP");
    const refused = (await gateway.line("configuration refused")) as { reasons: string[] };
    expect(refused.reasons.join()).toContain("nonsense: Unknown setting");
    expect(refused.reasons.join()).toContain("from 1 to 1000000000, got 0");
    expect((await world.open()).welcome.credit.records).toBe(5);

    await writeFile(path, content("info", 6));
    gateway.child.kill("SIGHUP");
    expect(await gateway.line("configuration changed")).toMatchObject({
      changes: [{ setting: "websocket.limits.publishCreditRecords", before: 5, after: 6 }],
    });
    gateway.child.kill("SIGHUP");
    // The watch of the file may have said so, too.
    while ((await gateway.line("configuration unchanged"))["because"] !== "SIGHUP");
    await stays.peer.fence();
    await world.end();
  },
  slowMs,
);

function withoutProfileFile(readFile: () => string) {
  return (path: string): string => {
    if (path === "weir.yaml") return readFile();
    throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
  };
}
