/**
 * What goes wrong, and when. Each seed gets its own mixture (some kinds often, some never), so that rare
 * combinations are met and quiet ones too.
 * @module
 */
import type { Chance } from "./random.ts";
import type { World } from "./world.ts";

export const faultKinds = [
  "reset",
  "stall",
  "halfOpen",
  "refuse",
  "gatewayCrash",
  "gatewayLost",
  "gatewayStop",
  "clientCrash",
  "clientLost",
  "logUnavailable",
  "logFull",
  "logStall",
  "clockJump",
  "trim",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Mean time between two faults of a kind, for the kinds that this seed has. */
export type FaultPlan = ReadonlyMap<FaultKind, number>;

export function planFaults(chance: Chance): FaultPlan {
  const plan = new Map<FaultKind, number>();
  const share = chance.pick([0, 0.2, 0.4, 0.7]);
  for (const kind of faultKinds) if (chance.hit(share)) plan.set(kind, chance.pick([2_000, 8_000, 25_000]));
  return plan;
}

/** Lets the plan's faults happen until `untilMs`. */
export function runFaults(world: World, plan: FaultPlan, untilMs: number): void {
  for (const [kind, meanMs] of plan) {
    const chance = world.chance.fork(`fault/${kind}`);
    const again = (): void => {
      const delayMs = -Math.log(1 - chance.next()) * meanMs;
      if (world.clock.nowMs + delayMs >= untilMs) return;
      world.clock.after(delayMs, () => {
        strike(world, kind, chance);
        again();
      });
    };
    again();
  }
}

export function strike(world: World, kind: FaultKind, chance: Chance): void {
  const wires = [...world.network.wires];
  const wire = wires.length === 0 ? undefined : chance.pick(wires);
  const forMs = chance.pick([50, 500, 3_000, 15_000]) * (0.5 + chance.next());
  world.trace.note(
    `FAULT ${kind}`,
    () => `${wire === undefined ? "" : `wire ${wire.id} of ${wire.client.name}`} ${Math.round(forMs)} ms`,
  );
  switch (kind) {
    case "reset":
      wire?.link?.reset();
      return;
    case "halfOpen":
      wire?.link?.halfOpen();
      return;
    case "stall":
      wire?.link?.stall();
      world.clock.after(forMs, () => wire?.link?.unstall());
      return;
    case "refuse":
      if (wire !== undefined) world.network.refuse(wire.client.name, forMs);
      wire?.link?.reset();
      return;
    case "gatewayCrash":
    case "gatewayLost":
      world.crashGateway({ silent: kind === "gatewayLost", downMs: forMs });
      return;
    case "gatewayStop":
      world.restartGateway();
      return;
    case "clientCrash":
    case "clientLost":
      world.workload.crashClient(chance, kind === "clientLost", forMs);
      return;
    case "logUnavailable":
    case "logFull":
      world.storage.failFor(kind === "logFull" ? "full" : "unavailable", forMs);
      return;
    case "logStall":
      world.storage.stallFor(forMs);
      return;
    case "trim":
      world.storage.trim(chance.pick([1, 5, 40]));
      return;
    case "clockJump":
      world.jump((chance.next() - 0.2) * 300_000);
  }
}
