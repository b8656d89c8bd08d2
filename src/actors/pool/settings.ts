/**
 * What an operator says of a pool: which topics are its work, how work is given out, when it is given out again, and how
 * many members it should have. Checked here, wherever it comes from.
 *
 * Pure.
 * @module
 */
import { filterProblem } from "../../protocol/topic.ts";
import type { Algorithm } from "../balancer/balancer.ts";

export const poolStrategies = [
  "roundRobin",
  "weightedRoundRobin",
  "leastConnections",
  "leastResponseTime",
  "powerOfTwo",
  "random",
  "consistentHash",
  "hash",
] as const satisfies readonly Algorithm[];
export type PoolStrategy = (typeof poolStrategies)[number];

/** What brings members. */
export const scalers = ["metric", "process", "outbound"] as const;

/** When a pool should have more members, and when fewer. */
export type PoolScaling = {
  /** Members that it never goes below, and never above. */
  readonly min: number;
  readonly max: number;
  /** Share of the members' capacity that is to be in use. */
  readonly targetRatio: number;
  /** No record should wait longer for a member. */
  readonly latencyMs: number;
  /** What a member takes at once, as long as none has said it. */
  readonly capacity: number;
  /** After more members were asked for, none more for so long. */
  readonly upCoolDownMs: number;
  /** Fewer only when fewer would have done all this time, and this long after the last change. */
  readonly downCoolDownMs: number;
  /** metric: the wanted number is told to whoever asks · process: commands on this machine · outbound: connections. */
  readonly by: (typeof scalers)[number];
  /** process: the command of one worker. */
  readonly command: readonly string[];
  /** outbound: where a worker is reached (ws:// or wss://). */
  readonly url: string;
};

export type PoolSettings = {
  /** Topics whose records are this pool's work. */
  readonly filters: readonly string[];
  readonly strategy: PoolStrategy;
  /** Header by whose value a record stays with one member as long as that lives. "": none. */
  readonly stickyHeader: string;
  /** Neither DONE nor FAILED for this long: the record goes to another. */
  readonly ackWaitMs: number;
  /** Tries after which a record goes to `$dead.<topic>`. 0: without end. */
  readonly maxDeliver: number;
  /** Wait before a failed record is given out again; doubles with each try. */
  readonly retryMs: number;
  /** Where it begins in the log. */
  readonly start: "new" | "all";
  /** Absent: members come and go as they like. */
  readonly scaling?: PoolScaling;
};

export const poolDefaults: Omit<PoolSettings, "filters"> = {
  strategy: "leastConnections",
  stickyHeader: "",
  ackWaitMs: 30_000,
  maxDeliver: 10,
  retryMs: 1_000,
  start: "new",
};
export const scalingDefaults: PoolScaling = {
  min: 0,
  max: 16,
  targetRatio: 0.7,
  latencyMs: 1_000,
  capacity: 1,
  upCoolDownMs: 500,
  downCoolDownMs: 30_000,
  by: "metric",
  command: [],
  url: "",
};

export const poolBounds = {
  nameMax: 64,
  filtersMax: 16,
  ackWaitMs: { min: 100, max: 3_600_000 },
  maxDeliverMax: 1_000,
  retryMsMax: 3_600_000,
  headerMax: 128,
  membersMax: 1_000,
  coolDownMsMax: 3_600_000,
  latencyMsMax: 3_600_000,
  commandMax: 32,
  textMax: 1_024,
} as const;

const namePattern = /^[A-Za-z0-9_-]+$/;

/** Why `name` names no pool; undefined: it may. It is a part of subjects and keys. */
export function poolNameProblem(name: string): string | undefined {
  if (name.length > poolBounds.nameMax)
    return `Pool name "${name.slice(0, 32)}…" is longer than ${poolBounds.nameMax} characters`;
  if (namePattern.test(name)) return undefined;
  return `Pool name ${JSON.stringify(name)} may hold letters, digits, - and _ alone, and at least one`;
}

/** What is wrong with them, as a sentence; undefined: nothing. */
export function poolSettingsProblem(settings: PoolSettings): string | undefined {
  const { filters, strategy, stickyHeader, ackWaitMs, maxDeliver, retryMs, scaling } = settings;
  const { ackWaitMs: wait } = poolBounds;
  if (filters.length === 0) return "A pool needs at least one filter; its records are the work";
  if (filters.length > poolBounds.filtersMax)
    return `${filters.length} filters; a pool has at most ${poolBounds.filtersMax}`;
  for (const filter of filters) {
    const problem = filterProblem(filter);
    if (problem !== undefined) return problem;
  }
  if (!poolStrategies.includes(strategy)) return `Strategy "${strategy}" is not one of ${poolStrategies.join(", ")}`;
  if (stickyHeader.length > poolBounds.headerMax)
    return `stickyHeader is longer than ${poolBounds.headerMax} characters`;
  return (
    wholeProblem("ackWaitMs", ackWaitMs, wait) ??
    wholeProblem("maxDeliver", maxDeliver, { min: 0, max: poolBounds.maxDeliverMax }) ??
    wholeProblem("retryMs", retryMs, { min: 0, max: poolBounds.retryMsMax }) ??
    (scaling === undefined ? undefined : scalingProblem(scaling))
  );
}

function scalingProblem(scaling: PoolScaling): string | undefined {
  const { min, max, targetRatio, by, command, url } = scaling;
  const members = { min: 0, max: poolBounds.membersMax };
  const coolDown = { min: 0, max: poolBounds.coolDownMsMax };
  const problem =
    wholeProblem("scaling.min", min, members) ??
    wholeProblem("scaling.max", max, { ...members, min: 1 }) ??
    wholeProblem("scaling.latencyMs", scaling.latencyMs, { min: 1, max: poolBounds.latencyMsMax }) ??
    wholeProblem("scaling.capacity", scaling.capacity, { min: 1, max: poolBounds.membersMax }) ??
    wholeProblem("scaling.upCoolDownMs", scaling.upCoolDownMs, coolDown) ??
    wholeProblem("scaling.downCoolDownMs", scaling.downCoolDownMs, coolDown);
  if (problem !== undefined) return problem;
  if (min > max) return `scaling.min ${min} is above scaling.max ${max}`;
  if (!(targetRatio > 0 && targetRatio <= 1)) return `scaling.targetRatio ${targetRatio} is not above 0 and at most 1`;
  if (by === "process" && command.length === 0) return "scaling.command is needed where processes are started";
  if (command.length > poolBounds.commandMax || command.some((part) => part === "" || part.length > poolBounds.textMax))
    return `scaling.command has at most ${poolBounds.commandMax} parts of 1–${poolBounds.textMax} characters`;
  if (by === "outbound" && !isSocketUrl(url)) return `scaling.url "${url}" is no ws:// or wss:// URL`;
  return undefined;
}

function wholeProblem(
  name: string,
  value: number,
  { min, max }: { readonly min: number; readonly max: number },
): string | undefined {
  return Number.isSafeInteger(value) && value >= min && value <= max
    ? undefined
    : `${name} ${value} is not a whole number from ${min} to ${max}`;
}

function isSocketUrl(url: string): boolean {
  return url.length <= poolBounds.textMax && URL.canParse(url) && /^wss?:$/.test(new URL(url).protocol);
}
