/** What runs by itself or is made at the start: alerts, the key of an administrator; and settings and diagnoses. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settings as known } from "../../../src/ops/config/describe.ts";
import { loadConfig } from "../../../src/ops/config/load.ts";
import { RunningConfig } from "../../../src/ops/config/running-config.ts";
import { apiKeyProblem, keyDigest } from "../../../src/ops/rest/access.ts";
import { adminKey } from "../../../src/ops/rest/admin-key.ts";
import { alertRules } from "../../../src/ops/rest/alerts.ts";
import { features } from "../../../src/ops/rest/optimization.ts";
import { systemClock, systemRandom } from "../../../src/runtime/system.ts";
import { SteeredClock, until } from "../../gateway/stage.ts";
import { RestStage, type RestStageOptions } from "./rest-stage.ts";

const settings: RestStageOptions["settings"] = (log, logger) => {
  const sources = { flags: {}, env: {}, readFile: () => "" };
  const loaded = loadConfig(sources);
  if (!loaded.ok) throw new Error("The defaults do not load");
  return RunningConfig.open({ sources, loaded, log, clock: systemClock(), logger });
};

describe("alerts", () => {
  test("are raised when their fact holds, journalled, and cleared when it has not held for a minute", async () => {
    const clock = new SteeredClock();
    await using stage = await RestStage.open({ clock });
    const active = async (): Promise<{ name: string; value: number }[]> => {
      const { body } = await stage.call("GET", "/api/v1/alerts");
      return (body as { items: { name: string; value: number }[] }).items;
    };
    clock.advance(1_000);
    expect(await active()).toEqual([]);
    const sockets = Array.from({ length: 20 }, () => new WebSocket(`ws://127.0.0.1:${stage.port}/`, ["weir.v1.json"]));
    await until(() => stage.gateway.inspect().node().connections === 20, "20 connections");
    for (const socket of sockets) socket.close();
    await until(() => stage.gateway.inspect().totals().handshakesFailed === 20, "20 failures");
    clock.advance(1_000);
    expect(await active()).toMatchObject([{ name: "connectionFailures", value: 1, threshold: 0.01, priority: "high" }]);
    clock.advance(110_000);
    expect(await active()).toHaveLength(1);
    clock.advance(15_000);
    expect(await active()).toEqual([]);
    const events = async (): Promise<object[]> => {
      const { body } = await stage.call("GET", "/api/v1/alerts/connectionFailures/events");
      return (body as { items: object[] }).items;
    };
    await until(async () => (await events()).length === 2, "both events");
    expect(await events()).toMatchObject([
      { seq: 1, type: "AlertRaised", value: 1 },
      { seq: 2, type: "AlertCleared", value: 0 },
    ]);
    expect(stage.lines.map(({ event }) => event)).toContain("alert raised");
  });
});

describe("adminKey()", () => {
  test("is made once, readable by its owner alone, told once, and the same at the next start", () => {
    const directory = mkdtempSync(join(tmpdir(), "weir-admin-key-"));
    try {
      const first = adminKey(systemRandom(), directory);
      const path = join(directory, "admin-key");
      expect(first.path).toBe(path);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(readFileSync(path, "utf8")).toBe(`${first.told}\n`);
      expect(first.key).toEqual({ name: "admin", role: "admin", digest: keyDigest(first.told ?? "") });
      expect(adminKey(systemRandom(), directory)).toEqual({ key: first.key, path });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("without a directory is another one each time", () => {
    const [one, other] = [adminKey(systemRandom(), undefined), adminKey(systemRandom(), undefined)];
    expect(one.key.digest).not.toBe(other.key.digest);
    expect(one.path).toBeUndefined();
  });
});

test("apiKeyProblem() takes name, role and digest, and shows nothing of what is wrong", () => {
  expect(apiKeyProblem(`otto:operator:${keyDigest("x")}`)).toBeUndefined();
  for (const text of ["otto:operator:plain-key", `otto:root:${keyDigest("x")}`, keyDigest("x")]) {
    expect(apiKeyProblem(text)).toStartWith("must be <name>:");
    expect(apiKeyProblem(text)).not.toContain("plain-key");
  }
});

test("alertRules and features name settings that exist", () => {
  const named = [
    ...alertRules.flatMap(({ setting }) => setting ?? []),
    ...features.flatMap((feature) => feature.settings),
  ];
  expect(named.filter((name) => !known.has(name))).toEqual([]);
  expect(named.length).toBeGreaterThan(5);
});

describe("settings", () => {
  test("are shown with origin and range, changed all or none, and both is in the audit", async () => {
    await using stage = await RestStage.open({ settings });
    const shown = await stage.call("GET", "/admin/config", { as: "operator" });
    const { settings: all } = shown.body as {
      settings: { name: string; value: unknown; origin: string; live: boolean }[];
    };
    expect(all.find(({ name }) => name === "websocket.sessionsMax")).toMatchObject({
      value: 100_000,
      origin: "default",
      live: true,
    });
    const patch = { settings: { "websocket.sessionsMax": 777, "websocket.port": 1 } };
    const refused = await stage.call("PATCH", "/admin/config", { body: patch });
    expect([refused.status, refused.body]).toMatchObject([422, { errors: [{ at: "websocket.port" }] }]);
    const body = { settings: { "websocket.sessionsMax": 777 } };
    const changed = await stage.call("POST", "/api/v1/network/optimization/configure", { body });
    expect(changed.body).toEqual({
      changes: [{ setting: "websocket.sessionsMax", before: 100_000, after: 777 }],
    } as never);
    const after = (await stage.call("GET", "/admin/config")).body as {
      settings: { name: string; value: unknown; origin: string }[];
    };
    expect(after.settings.find(({ name }) => name === "websocket.sessionsMax")).toMatchObject({
      value: 777,
      origin: "changed by key ada",
    });
    const audit = (await stage.call("GET", "/api/v1/audit")).body as { items: object[] };
    expect(audit.items).toMatchObject([
      { action: "config.change", after: { "websocket.sessionsMax": 777, "websocket.port": 1 } },
      { action: "config.change", failed: expect.stringContaining("websocket.port") },
      { who: "key ada", before: { "websocket.sessionsMax": 100_000 }, after: { "websocket.sessionsMax": 777 } },
    ]);
  });

  test("cannot be seen where the gateway was started without them, and it says so", async () => {
    await using stage = await RestStage.open();
    expect((await stage.call("GET", "/admin/config")).body).toMatchObject({ status: 501, cause: "notAvailable" });
  });
});

test("diagnostics/run tries out what there is, and names what a level lacks", async () => {
  await using stage = await RestStage.open();
  const { body } = await stage.call("POST", "/api/v1/network/diagnostics/run?level=standard", { as: "operator" });
  const { checks, missing } = body as { checks: { name: string; status: string }[]; missing: { level: string }[] };
  const of = (name: string) => checks.find((check) => check.name === name)?.status;
  expect(checks.map(({ name }) => name)).toEqual([
    "log round trip",
    "log write",
    "disk",
    "event loop",
    "loopback WebSocket",
  ]);
  expect(of("disk")).toBe("skipped");
  for (const name of ["log round trip", "log write", "event loop", "loopback WebSocket"])
    expect(["ok", "slow"]).toContain(of(name) ?? "");
  expect(new Set(missing.map(({ level }) => level))).toEqual(new Set(["basic", "standard"]));
});
