/**
 * Opens the log on NATS: connects, checks that the streams are what the log needs, and says how durable they are.
 * @module
 */
import { type ConnectionOptions, connect } from "@nats-io/transport-node";
import type { Clock, Logger, Random } from "../../ports.ts";
import { type DurabilityTier, LogOpenError } from "../event-log.ts";
import { Api } from "./api.ts";
import { JetStreamLog } from "./log.ts";
import {
  applyPlan,
  findStream,
  type ProvisionOptions,
  planStreams,
  provisionDefaults,
  type StreamInfo,
  show,
  wantedStreams,
} from "./provision.ts";
import { type PublisherOptions, publisherDefaults } from "./publisher.ts";
import { namesOf } from "./subjects.ts";

export type JetStreamOptions = {
  readonly servers: readonly string[];
  /** Separates several Weirs in one account. */
  readonly name?: string;
  /** User, password, token, TLS, authenticator: as the client library takes them. */
  readonly connection?: ConnectionOptions;
  /** Makes the streams that are missing. Absent: they must be there. */
  readonly provision?: Partial<ProvisionOptions>;
  /** How much may be under way, and how long it is tried. */
  readonly publisher?: Partial<PublisherOptions>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

const defaultName = "weir";
const reconnectMs = 100;
const pingMs = 5_000;
const pingsMax = 2;
/** API levels: 1 is 2.11, 2 is 2.12. */
const levelOfFloor = 1;
const levelOfBatches = 2;
const batchesFrom = [2, 12, 2] as const;

type AccountInfo = { readonly api: { readonly level?: number } };

export async function openJetStreamLog(options: JetStreamOptions): Promise<JetStreamLog> {
  const names = namesOf(options.name ?? defaultName);
  const { clock, logger, random } = options;
  const nc = await dial(options);
  const api = new Api(nc, clock);
  try {
    const level = (await api.ask<AccountInfo>("$JS.API.INFO")).api.level ?? 0;
    const version = nc.info?.version ?? "";
    if (level < levelOfFloor)
      throw new LogOpenError("wrongVersion", `nats-server ${version} is too old; Weir needs 2.11 or newer`);
    const batches = level >= levelOfBatches && isAtLeast(version, batchesFrom);
    if (options.provision !== undefined)
      await provide(api, names, { ...provisionDefaults, ...options.provision }, batches);
    const streams = await required(api, names, batches);
    const { records } = streams;
    // The server may have taken the flag and dropped it: what it says now counts.
    const atomic = batches && records.config["allow_atomic"] === true;
    const replicas = Number(records.config["num_replicas"] ?? 1);
    const log = new JetStreamLog({
      ...{ nc, api, clock, logger, names, atomic },
      writer: random.token(9),
      epoch: epochOf(records),
      tier: tierOf(replicas),
      ordering: replicas === 1 ? "pipeline" : atomic ? "batch" : "single",
      publisher: { ...publisherDefaults, ...options.publisher },
    });
    await log.refresh();
    log.keepFresh();
    return log;
  } catch (error) {
    await nc.close();
    throw error;
  }
}

async function dial({ servers, connection }: JetStreamOptions) {
  try {
    return await connect({
      ...connection,
      servers: [...servers],
      noAsyncTraces: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: reconnectMs,
      reconnectJitter: reconnectMs,
      pingInterval: pingMs,
      maxPingOut: pingsMax,
      inboxPrefix: connection?.inboxPrefix ?? "_INBOX_weir",
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogOpenError(
      "notWritable",
      `NATS at ${servers.join(", ")} cannot be used: ${reason}. Start it, or check address and credentials`,
      { cause: error },
    );
  }
}

async function provide(
  api: Api,
  names: ReturnType<typeof namesOf>,
  options: ProvisionOptions,
  atomic: boolean,
): Promise<void> {
  const plan = await planStreams(api, wantedStreams(names, options, atomic));
  await applyPlan(api, { ...plan, update: [] });
}

/** The streams as they are; an error for what the log cannot work with. */
async function required(
  api: Api,
  names: ReturnType<typeof namesOf>,
  atomic: boolean,
): Promise<{ readonly records: StreamInfo }> {
  const wanted = wantedStreams(names, provisionDefaults, atomic);
  const found = await Promise.all(wanted.map(({ name }) => findStream(api, name)));
  for (const [i, stream] of found.entries()) {
    const config = wanted[i] as (typeof wanted)[number];
    if (stream === undefined)
      throw new LogOpenError("foreign", `Stream ${config.name} does not exist. Make it with: weir nats init`);
    for (const field of [
      "subjects",
      "retention",
      "allow_direct",
      "allow_rollup_hdrs",
      "allow_msg_ttl",
      "max_msgs_per_subject",
    ]) {
      const [has, needs] = [stream.config[field], config[field]];
      if (needs === undefined || needs === false || JSON.stringify(has) === JSON.stringify(needs)) continue;
      throw new LogOpenError(
        "foreign",
        `Stream ${config.name} has ${field} ${show(has)}, Weir needs ${show(needs)}. See what would change with: weir nats init --dry-run`,
      );
    }
  }
  return { records: found[0] as StreamInfo };
}

/** A stream that was removed and made again is another log. */
function epochOf({ created, config }: StreamInfo): string {
  return `${config.name}@${created}`;
}

/** How often the server flushes is not told to clients: `r3-sync` is said only by whoever knows. */
function tierOf(replicas: number): DurabilityTier {
  return replicas >= 3 ? "r3" : "r1";
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, number] of least.entries()) {
    const part = parts[i] ?? 0;
    if (part !== number) return part > number;
  }
  return true;
}
