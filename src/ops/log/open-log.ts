/**
 * Opens the event log that the configuration names, and the bus that goes with it.
 * @module
 */
import type { LogEpoch } from "../../protocol/ids.ts";
import type { Bus } from "../../runtime/bus/bus.ts";
import { localBus } from "../../runtime/bus/local.ts";
import { natsBus } from "../../runtime/bus/nats.ts";
import { openEmbeddedLog } from "../../runtime/log/embedded/mod.ts";
import type { EventLog } from "../../runtime/log/event-log.ts";
import type { JetStreamLog } from "../../runtime/log/jetstream/log.ts";
import { openJetStreamLog } from "../../runtime/log/jetstream/open.ts";
import { openMemoryLog } from "../../runtime/log/memory.ts";
import type { Clock, Logger, Random } from "../../runtime/ports.ts";
import { CliError, exitCodes } from "../cli/exit-code.ts";
import type { LogStore, NatsLogConfig } from "../config/log-store.ts";
import { natsOptions } from "./nats-options.ts";

export type OpeningPorts = { readonly clock: Clock; readonly random: Random; readonly logger: Logger };
export type Opening = {
  /** How operators of NATS see this process. */
  readonly client: string;
  /** Streams that are missing are made. */
  readonly provision: boolean;
  /** What was known of the log counts no more: the process has to begin anew. */
  readonly onLost?: (why: string) => void;
};

const epochBytes = 12;

export async function openLog(store: LogStore, ports: OpeningPorts, opening: Opening): Promise<EventLog> {
  switch (store.kind) {
    case "memory":
      return openMemoryLog({ clock: ports.clock, epoch: ports.random.token(epochBytes) as LogEpoch });
    case "embedded":
      return await openEmbeddedLog(store.directory, ports);
    case "nats":
      return await openNatsLog(store, ports, opening);
  }
}

/** For a gateway. On NATS the bus goes over the log's connection, and is to be closed before the log. */
export async function openLogAndBus(
  store: LogStore,
  ports: OpeningPorts,
  opening: Opening,
): Promise<{ readonly log: EventLog; readonly bus: Bus }> {
  const { clock } = ports;
  if (store.kind !== "nats") return { log: await openLog(store, ports, opening), bus: localBus(clock) };
  const log = await openNatsLog(store, ports, opening);
  return { log, bus: natsBus({ ...log.connection, clock }) };
}

function openNatsLog(store: NatsLogConfig, ports: OpeningPorts, opening: Opening): Promise<JetStreamLog> {
  return openJetStreamLog({
    ...natsOptions(store, opening.client),
    ...ports,
    ...(opening.onLost === undefined ? {} : { onLost: opening.onLost }),
    ...(opening.provision ? { provision: {} } : {}),
  });
}

/** Beside a gateway that writes it, or when none runs. */
export async function openReadOnly(store: LogStore, ports: OpeningPorts): Promise<EventLog> {
  if (store.kind === "memory")
    throw new CliError(exitCodes.usage, "A log in memory is gone with its gateway: name another one with --log");
  if (store.kind === "embedded") return await openEmbeddedLog(store.directory, { ...ports, readOnly: true });
  return await openLog(store, ports, { client: "weir", provision: false });
}
