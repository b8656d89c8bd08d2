/**
 * A pool that scales by starting worker processes: a step of load is answered in under 2 s, without flapping, and workers
 * go again when there is nothing to do.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { decodePoolEvent } from "../../../src/actors/pool/persist.ts";
import { scalingDefaults } from "../../../src/actors/pool/settings.ts";
import { ProcessScaler } from "../../../src/ops/scaling/process-scaler.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { numbered } from "../../conformance/world.ts";
import { makePool, viewOf } from "../../gateway/pool-peer.ts";
import { Stage, until } from "../../gateway/stage.ts";

const command = [process.execPath, join(import.meta.dir, "worker-main.ts")];
const logger = { log: () => undefined };

test("ProcessScaler and scaling: a step of load has workers in under 2 s, is done without flapping, and lets them go", async () => {
  let url = "";
  const scaler = new ProcessScaler({ clock: systemClock(), logger }, () => ({ WEIR_URL: url }));
  const stage = await Stage.open({ config: { scalers: { process: scaler } } });
  url = stage.url;
  try {
    const scaling = {
      ...scalingDefaults,
      min: 1,
      max: 4,
      capacity: 2,
      downCoolDownMs: 2_000,
      by: "process" as const,
      command,
    };
    await makePool(stage.gateway, "workers", { scaling });
    await until(async () => (await viewOf(stage.gateway, "workers")).members.length === 1, "the least there should be");
    const publisher = await stage.world().open();
    const from = performance.now();
    await publisher.publish(numbered("jobs.a", 600));
    await until(() => scaler.running("workers") === 4, "as many as there may be");
    expect(performance.now() - from).toBeLessThan(2_000);
    await until(async () => (await viewOf(stage.gateway, "workers")).done === 600, "all is done", 20_000);
    await until(async () => scaler.running("workers") === 1, "they go again", 15_000);
    await until(async () => (await viewOf(stage.gateway, "workers")).members.length === 1, "and have left");
    const entries = await stage.log.journals.read({ kind: "pool", id: "workers" }, 0, 10_000);
    const scaled = entries
      .map(({ data }) => decodePoolEvent(data))
      .flatMap((event) => (event.type === "Scaled" ? [event.to] : []));
    expect(scaled[0]).toBe(1);
    expect(scaled.at(-1)).toBe(1);
    const ups = scaled.slice(1, -1);
    expect(ups).toEqual([...ups].sort((a, b) => a - b)); // once up, once down
    expect((await viewOf(stage.gateway, "workers")).redispatches).toBe(0);
  } finally {
    await stage[Symbol.asyncDispose]();
    await scaler.stop();
  }
  expect(scaler.running("workers")).toBe(0);
}, 60_000);

test("ProcessScaler starts a worker again that ends by itself, later and later, and says why it ended", async () => {
  const lines: Readonly<Record<string, unknown>>[] = [];
  const ports = {
    clock: systemClock(),
    logger: { log: (_: string, __: string, fields: Readonly<Record<string, unknown>>) => void lines.push(fields) },
  };
  const scaler = new ProcessScaler(ports, () => ({}));
  const settings = { ...scalingDefaults, by: "process" as const, command: [process.execPath, "-e", "process.exit(3)"] };
  scaler.want("workers", 1, settings);
  await until(() => lines.length >= 2, "it ended twice");
  await scaler.stop();
  expect(lines[0]).toMatchObject({ pool: "workers", why: "exit code 3" });
  expect(Number(lines[1]?.["restartMs"])).toBeGreaterThan(Number(lines[0]?.["restartMs"]));
}, 20_000);
