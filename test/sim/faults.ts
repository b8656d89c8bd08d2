/**
 * What goes wrong, and when. Each seed gets its own mixture (some kinds often, some never), so that rare
 * combinations are met and quiet ones too.
 * @module
 */
import type { SimNats } from "./nats/server.ts";
import type { Chance } from "./random.ts";
import { SimStorage } from "./storage.ts";
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

/** Where several gateways share a log on NATS. */
export const natsFaultKinds = [
  "reset",
  "stall",
  "halfOpen",
  "refuse",
  "gatewayCrash",
  "gatewayLost",
  "gatewayStop",
  "gatewayPause",
  "clientCrash",
  "clientLost",
  "clockJump",
  "trim",
  "natsLeaderLoss",
  "natsCut",
  "natsAway",
  "natsLossy",
  "natsStall",
  "natsOverload",
  "natsReplicaFrozen",
  "natsConsumersLost",
  "natsSplit",
] as const;
export type FaultKind = (typeof faultKinds)[number] | (typeof natsFaultKinds)[number];

/** Mean time between two faults of a kind, for the kinds that this seed has. */
export type FaultPlan = ReadonlyMap<FaultKind, number>;

export function planFaults(chance: Chance, kinds: readonly FaultKind[] = faultKinds): FaultPlan {
  const plan = new Map<FaultKind, number>();
  const share = chance.pick([0, 0.2, 0.4, 0.7]);
  for (const kind of kinds) if (chance.hit(share)) plan.set(kind, chance.pick([2_000, 8_000, 25_000]));
  return plan;
}

/** These all the time. */
export function often(...kinds: readonly FaultKind[]): FaultPlan {
  return new Map(kinds.map((kind) => [kind, 1_500]));
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
    case "gatewayPause":
      world.pauseGateway(chance.pick([5_000, 20_000, 60_000]) * (0.5 + chance.next() / 2));
      return;
    case "trim":
      world.storage.trim(chance.pick([1, 5, 40]));
      return;
    case "clockJump":
      world.jump((chance.next() - 0.2) * 300_000);
      return;
    default:
      strikeLog(world.storage, kind, { chance, forMs });
  }
}

const electionMsMax = 9_000;
const frozenMsMax = 5_000;

type LogFault = Extract<FaultKind, `log${string}` | `nats${string}`>;

type How = { readonly chance: Chance; readonly forMs: number };

function strikeLog(storage: World["storage"], kind: LogFault, { chance, forMs }: How): void {
  if (storage instanceof SimStorage) {
    if (kind === "logStall") storage.stallFor(forMs);
    else storage.failFor(kind === "logFull" ? "full" : "unavailable", forMs);
    return;
  }
  strikeNats(storage.nats, kind, { chance, forMs });
}

export function strikeNats(nats: SimNats, kind: FaultKind, { chance, forMs }: How): void {
  const strikes: Partial<Record<FaultKind, () => void>> = {
    natsLeaderLoss: () => nats.loseLeader(Math.min(forMs, electionMsMax)),
    natsCut: () => nats.cut(),
    natsAway: () => nats.away(chance.pick([1, 1, 3]) * forMs),
    natsLossy: () => nats.lossyFor(forMs),
    natsStall: () => nats.stallFor(forMs),
    natsOverload: () => nats.overloadFor(forMs),
    natsReplicaFrozen: () => nats.freezeReplica(Math.min(forMs, frozenMsMax)),
    natsConsumersLost: () => nats.killConsumers(0.5),
    natsSplit: () => nats.splitFor(2 * forMs),
  };
  strikes[kind]?.();
}
