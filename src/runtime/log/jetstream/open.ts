/**
 * Opens the log on NATS: connects, checks that the streams are what the log needs, and says how durable they are.
 * @module
 */
import type { Clock, Logger, Random } from "../../ports.ts";
import { LogOpenError } from "../event-log.ts";
import { JetStreamError } from "./api.ts";
import { type Connected, type ConnectOptions, connectToNats } from "./connect.ts";
import { JetStreamLog } from "./log.ts";
import {
  applyPlan,
  differencesOf,
  findStream,
  type ProvisionOptions,
  planStreams,
  type StreamInfo,
  show,
  wantedStreams,
} from "./provision.ts";
import { type PublisherOptions, publisherDefaults } from "./publisher.ts";
import { Reach } from "./reach.ts";
import { type Names, namesOf, Subjects } from "./subjects.ts";
import { epochsKey, epochsOf } from "./tail.ts";
import { type Tier, tierOf } from "./tier.ts";

export type JetStreamOptions = ConnectOptions & {
  /** Separates several Weirs in one account. */
  readonly name?: string;
  /** Makes the streams that are missing. Absent: they must be there. */
  readonly provision?: ProvisionOptions;
  /** Where servers tell how often they flush, `http://10.0.0.1:8222`. */
  readonly monitoring?: readonly string[];
  readonly publisher?: Partial<PublisherOptions>;
  /**
   * Called once, when it is found that the log lost its end. It takes nothing more: open it anew, and let everybody who
   * had a position in it ask again.
   */
  readonly onLost?: (why: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

const defaultName = "weir";
const replicasOfR3 = 3;
const nsPerMs = 1e6;

export async function openJetStreamLog(options: JetStreamOptions): Promise<JetStreamLog> {
  const names = namesOf(options.name ?? defaultName);
  const connected = await connectToNats(options);
  try {
    return await connected.permitted(openLog(options, connected, names));
  } catch (error) {
    connected.api.close();
    await connected.nc.close();
    throw error;
  }
}

async function openLog(options: JetStreamOptions, connected: Connected, names: Names): Promise<JetStreamLog> {
  const { clock, logger, random, provision, monitoring = [] } = options;
  const { nc, api, batches } = connected;
  if (provision !== undefined) await provide(connected, names, provision, clock);
  const streams = await required(connected, names, logger);
  const [records] = streams;
  // The server may have taken the flag and dropped it: what it says now counts.
  const atomic = batches && records.config["allow_atomic"] === true;
  const replicas = Number(records.config["num_replicas"] ?? 1);
  const found = await tierOf(streams, monitoring);
  announce(found, connected, logger, monitoring);
  const reach = new Reach(api, clock, names.records);
  const log = new JetStreamLog({
    ...{ nc, api, clock, logger, names, atomic },
    writer: random.token(9),
    epochs: epochsOf(epochOf(records), (await api.last(names.keyValue, new Subjects(names).key(epochsKey)))?.data),
    onLost: options.onLost ?? (() => undefined),
    tier: found.tier,
    ordering: replicas === 1 ? "pipeline" : atomic ? "batch" : "single",
    publisher: { ...publisherDefaults, ...options.publisher },
    windowMs: Number(records.config["duplicate_window"] ?? 0) / nsPerMs,
    awaySince: () => reach.awaySince,
  });
  try {
    await log.refresh();
  } catch (error) {
    void log.close().catch(() => undefined); // Its timers; what it would still say nobody hears.
    throw error;
  }
  log.keepFresh();
  return log;
}

/** Makes what is missing, and changes nothing that is there. */
async function provide(connected: Connected, names: Names, options: ProvisionOptions, clock: Clock): Promise<void> {
  const { api, batches, clustered } = connected;
  const plan = await planStreams(api, names, { ...options, atomic: batches, clustered, nowMs: clock.now() });
  if (plan.create.length === 0) return;
  const [problem] = plan.problems;
  if (problem !== undefined) throw new LogOpenError("foreign", problem);
  try {
    await applyPlan(api, { create: plan.create, update: [] });
  } catch (error) {
    if (!(error instanceof JetStreamError)) throw error;
    const message = `The streams of the log could not be made (${error.message}). See what is needed with: weir nats init --dry-run`;
    throw new LogOpenError("notWritable", message, { cause: error });
  }
}

type Found = readonly [records: StreamInfo, ...others: StreamInfo[]];

/** The streams as they are; an error for what the log cannot work with, a warning for what it does less well. */
async function required({ api, batches }: Connected, names: Names, logger: Logger): Promise<Found> {
  const wanted = wantedStreams(names, {}, batches);
  const found = await Promise.all(wanted.map(({ name }) => findStream(api, name)));
  const streams: StreamInfo[] = [];
  for (const [i, stream] of found.entries()) {
    const config = wanted[i] as (typeof wanted)[number];
    if (stream === undefined)
      throw new LogOpenError("foreign", `Stream ${config.name} does not exist. Make it with: weir nats init`);
    for (const { field, found: has, wanted: needs, weight, effect } of differencesOf(config, stream.config)) {
      const said = { stream: config.name, field, found: show(field, has), wanted: show(field, needs) };
      if (weight !== "advised")
        throw new LogOpenError(
          "foreign",
          `Stream ${said.stream} has ${field} ${said.found}, Weir needs ${said.wanted}. See what would change with: weir nats init --dry-run`,
        );
      logger.log("warn", "a stream promises less", { ...said, effect, change: "weir nats init" });
    }
    streams.push(stream);
  }
  return streams as [StreamInfo, ...StreamInfo[]];
}

function announce({ tier, because }: Tier, { clustered }: Connected, logger: Logger, monitoring: readonly string[]) {
  const isLess = (tier === "r1" && clustered) || (tier === "r3" && monitoring.length > 0);
  logger.log(isLess ? "warn" : "info", "durability of the log", { tier, because, ...(isLess ? hint(tier) : {}) });
}

function hint(tier: string): { readonly change: string } {
  if (tier === "r1") return { change: `weir nats init --replicas ${replicasOfR3}` };
  return { change: "jetstream { sync_interval: always } on every server, and each in log.nats.monitoring" };
}

/** A stream that was removed and made again is another log. */
function epochOf({ created, config }: StreamInfo): string {
  return `${config.name}@${created}`;
}
