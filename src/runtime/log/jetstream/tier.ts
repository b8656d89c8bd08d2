/**
 * Decides which durability the streams have, from what is known: their replicas, and how often their servers flush.
 *
 * Owns: `r3-sync` is said only when every server that holds a replica said itself that it flushes each write.
 * @module
 */
import type { DurabilityTier } from "../event-log.ts";
import type { StreamInfo } from "./provision.ts";

export type Tier = {
  readonly tier: DurabilityTier;
  /** Why it is not a higher one. */
  readonly because: string;
};

const replicasOfR3 = 3;
const answerMs = 2_000;

type Flushing = { readonly server: string; readonly always: boolean; readonly every: string };
type Varz = {
  readonly server_name?: string;
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean; readonly sync_interval?: number } };
};

export async function tierOf(streams: readonly StreamInfo[], monitoring: readonly string[]): Promise<Tier> {
  const replicasOf = ({ config }: StreamInfo) => Number(config["num_replicas"] ?? 1);
  const [weakest] = [...streams].sort((a, b) => replicasOf(a) - replicasOf(b));
  const replicas = weakest === undefined ? 0 : replicasOf(weakest);
  if (replicas < replicasOfR3)
    return {
      tier: "r1",
      because: `stream ${weakest?.config.name} has ${replicas} replica${replicas === 1 ? "" : "s"}`,
    };
  if (monitoring.length === 0)
    return { tier: "r3", because: "how often the servers flush is not known: log.nats.monitoring names none" };
  const asked = await Promise.all(monitoring.map((url) => flushing(url)));
  const silent = asked.find((one): one is string => typeof one === "string");
  if (silent !== undefined) return { tier: "r3", because: silent };
  const told = new Map((asked as readonly Flushing[]).map((one) => [one.server, one] as const));
  for (const peer of new Set(streams.flatMap(peersOf))) {
    const one = told.get(peer);
    if (one === undefined) return { tier: "r3", because: `server ${peer} is not among log.nats.monitoring` };
    if (!one.always) return { tier: "r3", because: `server ${peer} flushes every ${one.every}` };
  }
  return { tier: "r3-sync", because: "every server flushes each write" };
}

function peersOf({ cluster }: StreamInfo): string[] {
  const names = [cluster?.leader, ...(cluster?.replicas ?? []).map(({ name }) => name)];
  return names.filter((name): name is string => name !== undefined && name !== "");
}

/** Or why it is not known. */
async function flushing(url: string): Promise<Flushing | string> {
  try {
    const answer = await fetch(`${url}/varz`, { signal: AbortSignal.timeout(answerMs) });
    const { server_name, jetstream } = (await answer.json()) as Varz;
    const { sync_always = false, sync_interval = 0 } = jetstream?.config ?? {};
    return { server: server_name ?? "", always: sync_always, every: `${sync_interval / 1e9} s` };
  } catch (error) {
    return `${url} does not tell how often its server flushes: ${error instanceof Error ? error.message : error}`;
  }
}
