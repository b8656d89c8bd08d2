/**
 * Changing the settings of a gateway that runs: by files, by an operator, by another gateway on the same log.
 */
import { describe, expect, test } from "bun:test";
import { loadConfig } from "../../../src/ops/config/load.ts";
import type { Config } from "../../../src/ops/config/profile.ts";
import { RunningConfig } from "../../../src/ops/config/running-config.ts";
import type { LogEpoch } from "../../../src/protocol/ids.ts";
import { type EventLog, UnavailableError } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import type { Clock } from "../../../src/runtime/ports.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { replaced, until } from "../../gateway/stage.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const secret = "s3cret".repeat(8);

type Line = { readonly level: string; readonly event: string; readonly fields: Readonly<Record<string, unknown>> };

/** A gateway's settings without the gateway: what is put in force is noted. */
class Station {
  readonly lines: Line[] = [];
  readonly inForce: Config[] = [];
  file: string;
  config!: RunningConfig;

  constructor(file: string) {
    this.file = file;
  }

  async open(log: EventLog, prepare?: (config: Config) => void, clock: Clock = systemClock()): Promise<this> {
    const sources = {
      flags: { config: "weir.yaml" },
      env: {},
      readFile: (path: string): string => {
        if (path === "weir.yaml") return this.file;
        throw Object.assign(new Error("ENOENT"), { code: "ENOENT" });
      },
    };
    const loaded = loadConfig(sources);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
    const logger = {
      log: (level: string, event: string, fields: Line["fields"]) => void this.lines.push({ level, event, fields }),
    };
    this.config = await RunningConfig.open({ sources, loaded, log, clock, logger });
    this.config.start((config) => {
      prepare?.(config);
      return () => void this.inForce.push(config);
    });
    return this;
  }

  shown(setting: string) {
    return this.config.show().find(({ name }) => name === setting);
  }
}

function memoryLog(): EventLog {
  return openMemoryLog({ clock: systemClock(), epoch: "e" as LogEpoch });
}

describe("RunningConfig.change()", () => {
  test("puts a whole patch in force, says who did it, and keeps it in the log", async () => {
    const log = memoryLog();
    const station = await new Station("logging: { level: warn }").open(log);
    const heard: unknown[] = [];
    station.config.onChange((config, changes) => heard.push([config.logging.level, changes]));
    const changes = [
      { setting: "websocket.limits.maxDeliver", before: 10, after: 3 },
      { setting: "logging.level", before: "warn", after: "debug" },
    ];
    const patch = { "logging.level": "debug", "websocket.limits.maxDeliver": 3 };
    expect(await station.config.change(patch, "alice")).toEqual({ ok: true, changes });
    expect(heard).toEqual([["debug", changes]]);
    expect(station.inForce.map(({ logging }) => logging.level)).toEqual(["debug"]);
    expect(station.config.origin("logging.level")).toBe("changed by alice");

    const restarted = await new Station("logging: { level: warn }").open(log);
    expect(restarted.config.current().logging.level).toBe("debug");
    expect(restarted.shown("websocket.limits.maxDeliver")).toMatchObject({ value: 3, origin: "changed by alice" });
    expect(await restarted.config.change({ "logging.level": null }, "bob")).toEqual({
      ok: true,
      changes: [{ setting: "logging.level", before: "debug", after: "warn" }],
    });
    expect(restarted.config.origin("logging.level")).toBe("weir.yaml: logging.level");
  });

  test("refuses the whole patch with each reason, and nothing has changed", async () => {
    const log = memoryLog();
    const station = await new Station("").open(log);
    const refusedFor = async (patch: Record<string, unknown>) => {
      const changed = await station.config.change({ "logging.level": "debug", ...patch }, "alice");
      return changed.ok ? [] : changed.refused.map(({ setting, message }) => `${setting}: ${message}`);
    };
    expect(await refusedFor({ "websocket.limits.heartbeatMs": 0, "security.origins": ["x y"] })).toEqual([
      "websocket.limits.heartbeatMs: must be a whole number of milliseconds from 1 to 31622400000, got 0",
      expect.stringMatching(/^security\.origins: .*"x y" is no origin rule/),
    ]);
    expect(await refusedFor({ "websocket.port": 1, nonsense: 2, "security.jwt.secret": secret })).toEqual([
      "websocket.port: Needs a restart: set it in the file, and start the gateway again",
      "nonsense: There is no such setting",
      "security.jwt.secret: A secret is not kept in the log: set it in the file or the environment",
    ]);
    expect(await refusedFor({ "websocket.limits.resumeWindowMs": 1 })).toEqual([
      expect.stringMatching(/^websocket\.limits\.resumeWindowMs: .*resume outlives the detection of a loss$/),
    ]);
    expect([station.config.current().logging.level, station.inForce]).toEqual(["info", []]);
    expect(await log.keyValue.get("settings")).toBeUndefined();
  });

  test("refuses what whoever asks objects to, and keeps it nowhere", async () => {
    const log = memoryLog();
    const station = await new Station("").open(log);
    const refused = { setting: "logging", message: "Too much" };
    const objection = async (next: Config) => (next.logging.level === "debug" ? refused : undefined);
    expect(await station.config.change({ "logging.level": "debug" }, "alice", objection)).toEqual({
      ok: false,
      refused: [refused],
    });
    expect([station.inForce, await log.keyValue.get("settings")]).toEqual([[], undefined]);
    expect((await station.config.change({ "logging.level": "warn" }, "alice", objection)).ok).toBe(true);
  });

  test("refuses what cannot be made ready, and keeps it nowhere", async () => {
    const log = memoryLog();
    const station = await new Station("").open(log, ({ security }) => {
      if (security.jwt !== undefined) throw new Error("Cannot read gone.pem");
    });
    expect(await station.config.change({ "security.jwt.publicKeyFile": "gone.pem" }, "alice")).toEqual({
      ok: false,
      refused: [{ setting: "", message: "Cannot read gone.pem" }],
    });
    expect(station.config.current().security.jwt).toBeUndefined();
    expect(await log.keyValue.get("settings")).toBeUndefined();
  });

  test("is taken over by every gateway on the log, also when two change at the same time", async () => {
    const log = memoryLog();
    const one = await new Station("").open(log);
    const two = await new Station("").open(log);
    const both = await Promise.all([
      one.config.change({ "websocket.limits.maxDeliver": 3 }, "alice"),
      two.config.change({ "logging.level": "debug" }, "bob"),
    ]);
    expect(both.map(({ ok }) => ok)).toEqual([true, true]);
    const seen = ({ config }: Station) => [
      config.current().websocket.limits.maxDeliver,
      config.current().logging.level,
    ];
    await until(() => `${seen(one)}` === "3,debug" && `${seen(two)}` === "3,debug", "both have both");
    expect(one.inForce.at(-1)?.logging.level).toBe("debug");
  });

  test("never shows a secret, neither as a value nor as a change", async () => {
    const station = await new Station(`security: { jwt: { secret: ${secret} } }`).open(memoryLog());
    expect(station.shown("security.jwt.secret")).toEqual({
      name: "security.jwt.secret",
      value: "[masked]",
      origin: "weir.yaml: security.jwt.secret",
    });
    station.file = `security: { jwt: { secret: ${secret}2 } }`;
    const changed = await station.config.reload("test");
    expect(changed).toEqual({
      ok: true,
      changes: [{ setting: "security.jwt.secret", before: "[masked]", after: "[masked]" }],
    });
    expect(JSON.stringify([changed, station.lines, station.config.show()])).not.toContain("s3cret");
  });
});

describe("RunningConfig.reload()", () => {
  test("takes over what can change, and says what waits for a restart", async () => {
    const station = await new Station("logging: { level: warn }").open(memoryLog());
    station.file = "logging: { level: debug }\nwebsocket: { port: 1001, sessionsMax: 5 }";
    const changed = await station.config.reload("SIGHUP");
    expect(changed.ok && changed.changes.map(({ setting }) => setting)).toEqual([
      "websocket.sessionsMax",
      "logging.level",
    ]);
    expect(station.inForce.map(({ websocket }) => [websocket.port, websocket.sessionsMax])).toEqual([[8_080, 5]]);
    expect(station.shown("websocket.port")).toMatchObject({ value: 8_080, origin: "default", waiting: 1_001 });
    expect(station.lines).toContainEqual({
      level: "warn",
      event: "settings wait for a restart",
      fields: { because: "SIGHUP", settings: ["websocket.port"] },
    });
  });

  test("refuses a file with anything wrong in it whole", async () => {
    const station = await new Station("logging: { level: warn }").open(memoryLog());
    for (const wrong of ["logging: { level: debug }\nwebsocket: { prot: 1 }", "a: [1", "websocket: { port: 70000 }"]) {
      station.file = wrong;
      expect((await station.config.reload("a file changed")).ok).toBe(false);
    }
    expect([station.config.current().logging.level, station.inForce]).toEqual(["warn", []]);
    expect(station.lines.map(({ level, event }) => [level, event])).toEqual([
      ["error", "configuration refused"],
      ["error", "configuration refused"],
      ["error", "configuration refused"],
    ]);
    expect(station.lines[0]?.fields).toMatchObject({
      reasons: [expect.stringContaining("weir.yaml: websocket.prot: Unknown setting")],
    });
  });

  test("refuses what would be right after a restart, and is not beside what is in force", async () => {
    const station = await new Station("").open(memoryLog());
    // Together they hold; without the larger frame, which needs a restart, the credit is too small for one.
    station.file = "websocket: { limits: { frameBytesMax: 700000, publishCreditBytes: 800000 } }";
    const changed = await station.config.reload("SIGHUP");
    expect(changed.ok ? "" : changed.refused[0]?.message).toContain("one frame of publishes always fits in the credit");
    expect(station.inForce).toEqual([]);
  });

  test("leaves what an operator changed above the file", async () => {
    const station = await new Station("logging: { level: warn }").open(memoryLog());
    await station.config.change({ "logging.level": "error" }, "alice");
    station.file = "logging: { level: debug }";
    expect(await station.config.reload("SIGHUP")).toEqual({ ok: true, changes: [] });
    expect(station.config.current().logging.level).toBe("error");
  });
});

test("RunningConfig.open() warns of each setting that the sources give and a change at run time overrides", async () => {
  const log = memoryLog();
  const station = await new Station("").open(log);
  await station.config.change({ "logging.level": "debug", "websocket.limits.maxDeliver": 3 }, "alice");
  const { lines } = await new Station("logging: { level: warn }").open(log);
  expect(lines).toMatchObject([
    {
      level: "warn",
      event: "setting overridden by a change at run time",
      fields: { setting: "logging.level", given: "weir.yaml: logging.level", changedBy: "alice" },
    },
  ]);
});

test("RunningConfig.open() ignores all that was changed when it does not go with the sources any more, and says so", async () => {
  const log = memoryLog();
  const station = await new Station("").open(log);
  const patch = { "websocket.limits.resumeWindowMs": 61_000, "logging.level": "debug" };
  expect((await station.config.change(patch, "alice")).ok).toBe(true);
  const restarted = await new Station("websocket: { limits: { heartbeatMs: 30000 } }").open(log);
  expect(restarted.config.current().logging.level).toBe("info");
  expect(restarted.lines).toEqual([
    {
      level: "error",
      event: "changed settings ignored",
      fields: { problems: [expect.stringContaining("resume outlives the detection of a loss")] },
    },
  ]);
});

test("RunningConfig.open() goes on without what a log that is away cannot tell, and takes it over when it is back", async () => {
  const log = memoryLog();
  const station = await new Station("").open(log);
  expect((await station.config.change({ "logging.level": "debug" }, "alice")).ok).toBe(true);
  let away = true;
  const keyValue = replacedGet(log, () => away);
  const clock = new ManualClock();
  const restarted = await new Station("").open(replaced(log, { keyValue }), undefined, clock);
  expect(restarted.config.current().logging.level).toBe("info");
  clock.advance(5_000);
  await until(() => restarted.lines.length === 2, "it was tried again");
  away = false;
  clock.advance(5_000);
  await until(() => restarted.config.current().logging.level === "debug", "what was changed is in force");
  expect(restarted.lines.map(({ event }) => event)).toEqual([
    "changed settings not read",
    "changed settings not read",
    "configuration changed",
  ]);
});

/** Its key-value part answers nothing while it is away. */
function replacedGet(log: EventLog, isAway: () => boolean): EventLog["keyValue"] {
  const { keyValue } = log;
  return {
    get: async (key) => {
      if (isAway()) throw new UnavailableError("NATS is away");
      return await keyValue.get(key);
    },
    put: (key, value, options) => keyValue.put(key, value, options),
    delete: (key, options) => keyValue.delete(key, options),
    list: (prefix, cursor, max) => keyValue.list(prefix, cursor, max),
    watch: (prefix, onChange) => keyValue.watch(prefix, onChange),
  };
}
