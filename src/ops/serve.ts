/**
 * Runs a gateway on this machine: opens what the configuration names, starts, and stops in order when a signal
 * asks for it. The one place where the real ports are put together.
 * @module
 */
import { pino } from "pino";
import { createGateway } from "../runtime/gateway.ts";
import { pinoLogger } from "../runtime/logger.ts";
import { platformDial } from "../runtime/pool/dial.ts";
import { systemProcess } from "../runtime/process-probe.ts";
import { sha256, systemClock, systemRandom } from "../runtime/system.ts";
import { hostTransport } from "../runtime/transport/host.ts";
import type { Transport } from "../runtime/transport/transport.ts";
import { version } from "../runtime/version.ts";
import { AcceleratorMemory } from "./accelerator-memory.ts";
import { authenticatorOf, CurrentAuthenticator } from "./authenticators.ts";
import { CliError, type ExitCode, exitCodes } from "./cli/exit-code.ts";
import { welcomeText } from "./cli/welcome.ts";
import { type ConfigSources, configFiles, type Loaded } from "./config/load.ts";
import type { Config } from "./config/profile.ts";
import { RunningConfig } from "./config/running-config.ts";
import { watchFiles } from "./config/watch-files.ts";
import { gatewayConfigOf, prepareLive } from "./live-gateway.ts";
import { openLogAndBus } from "./log/open-log.ts";
import { ServedRest } from "./rest/served-rest.ts";
import { ProcessScaler } from "./scaling/process-scaler.ts";
import { firstSignal } from "./signals.ts";
import { GatewayHistory } from "./telemetry/gateway-history.ts";
import type { Tracing, TracingPorts } from "./telemetry/tracing.ts";

const stopTimeoutMs = 10_000;
/** For journals and what else the log has to take, after the connections are gone. */
const flushTimeoutMs = 10_000;

/** What the command line, the environment and the files say. */
export type Start = { readonly sources: ConfigSources; readonly loaded: Extract<Loaded, { ok: true }> };

export async function serve({ sources, loaded }: Start): Promise<ExitCode> {
  const clock = systemClock();
  const random = systemRandom();
  // Standard error: what the command itself says on standard output stays readable.
  const logger = pinoLogger({ level: loaded.config.logging.level, destination: pino.destination(2) });
  const authenticator = new CurrentAuthenticator(authenticatorOf(loaded.config, clock));
  const transport = await transportOfHost();
  const { node } = loaded.config.discovery;
  const { log, bus } = await openLogAndBus(
    loaded.config.log.store,
    { clock, random, logger },
    {
      client: node === undefined ? "weir" : `weir ${node}`,
      provision: loaded.config.profile !== "production",
      onLost: endWithoutLog,
    },
  );
  const settings = await RunningConfig.open({ sources, loaded, log, clock, logger });
  const config = settings.current();
  const probe = systemProcess();
  const tracing = await tracingOf(config, { clock, random, logger });
  const ports = {
    ...{ clock, random, digest: sha256, log, bus, transport, authenticator, logger, probe },
    ...(tracing === undefined ? {} : { tracer: tracing.tracer }),
  };
  const history = config.monitoring.history ? new GatewayHistory({ probe, clock }) : undefined;
  const rest = new ServedRest({ settings, log, clock, random, logger, authenticator, history });
  let url = "";
  const workers = new ProcessScaler({ clock, logger }, () => ({ WEIR_URL: url }));
  const dial = platformDial();
  const scalers = { process: workers, ...(dial === undefined ? {} : { dial }) };
  const accelerator = acceleratorOf(config, { clock, logger });
  const gateway = createGateway(ports, {
    ...gatewayConfigOf(config, () => accelerator?.freeBytes),
    http: rest.http,
    scalers,
    onReplaced: (why) => endAtOnce(`${why}. This gateway ends`),
  });
  const prepare = prepareLive({ gateway, logger, authenticator, clock, tracing });
  try {
    prepare(config)();
    const listening = await gateway.start();
    rest.listensAt(listening);
    url = `${listening.secure ? "wss" : "ws"}://127.0.0.1:${listening.port}/`;
    console.log(welcomeText({ ...listening, pid: process.pid, adminKey: rest.adminKey }, config));
  } catch (error) {
    rest.stop();
    accelerator?.stop();
    probe.stop();
    await bus.close();
    await log.close();
    throw listenError(error, config);
  }
  settings.start(prepare);
  history?.start(gateway.inspect());
  const stopFollowing = followSources(settings, sources);
  const signal = await firstSignal();
  console.log(`Stopping on ${signal}, once more to stop at once`);
  const reason = `the gateway is stopping on ${signal}`;
  await gateway.leave({ reason, timeoutMs: config.scaling.drainTimeoutMs });
  stopFollowing();
  rest.stop();
  history?.stop();
  settings.stop();
  accelerator?.stop();
  const stopping = gateway
    .stop({ reason, timeoutMs: stopTimeoutMs })
    .then(() => Promise.all([workers.stop(), bus.close()]))
    .then(() => Promise.all([log.close(), tracing?.close()]));
  await inTime(stopping);
  probe.stop();
  return exitCodes.done;
}

/** Settings are read again when a file changes and on SIGHUP. Answers how to stop. */
function followSources(settings: RunningConfig, sources: ConfigSources): () => void {
  const files = configFiles(sources, settings.current().profile);
  const stop = watchFiles(files, systemClock(), () => void settings.reload("a file changed"));
  const onHangUp = (): void => void settings.reload("SIGHUP");
  process.on("SIGHUP", onHangUp);
  return () => {
    stop();
    process.off("SIGHUP", onHangUp);
  };
}

/** Whoever starts it again gets a gateway that knows where the log ends now. Clients come back and are told. */
function endWithoutLog(why: string): void {
  endAtOnce(`${why}. The gateway ends, start it again: clients are told what is missing`);
}

function endAtOnce(why: string): void {
  console.error(`weir: ${why}`);
  process.exit(exitCodes.failed);
}

function acceleratorOf({ discovery }: Config, ports: ConstructorParameters<typeof AcceleratorMemory>[1]) {
  if (discovery.accelerator === undefined) return undefined;
  const memory = new AcceleratorMemory(discovery.accelerator, ports);
  void memory.start();
  return memory;
}

/** A log that is away takes nothing any more. What was acknowledged is in it; sessions are found at the next start. */
async function inTime(stopping: Promise<unknown>): Promise<void> {
  const withinMs = stopTimeoutMs + flushTimeoutMs;
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`it gave no answer for ${withinMs / 1_000} s`)), withinMs).unref();
  });
  try {
    await Promise.race([stopping, late]);
  } catch (error) {
    console.error(`weir: Stopped without the last writes, the log did not take them: ${(error as Error).message}`);
    process.exit(exitCodes.failed); // What waits for the log would keep the process.
  }
}

/** Its libraries are loaded here, and only where it is on. */
async function tracingOf(config: Config, ports: TracingPorts): Promise<Tracing | undefined> {
  const { tracing } = config.monitoring;
  if (tracing === undefined) return undefined;
  const { openTracing } = await import("./telemetry/tracing.ts");
  return await openTracing(tracing, ports, {
    "service.version": version,
    ...(config.discovery.node === undefined ? {} : { "service.instance.id": config.discovery.node }),
  });
}

async function transportOfHost(): Promise<Transport> {
  try {
    return await hostTransport();
  } catch (error) {
    throw new CliError(exitCodes.failed, (error as Error).message, { cause: error });
  }
}

function listenError(error: unknown, config: Config): unknown {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  const where = `${config.websocket.host}:${config.websocket.port}`;
  const because: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use; stop the other process, or choose another port with --port",
    EACCES: "this user may not use the port; choose one above 1023 with --port",
    EADDRNOTAVAIL: "this machine does not have that address; choose another with --host",
  };
  const why = because[code ?? cause?.code ?? ""];
  if (why === undefined) return error;
  return new CliError(exitCodes.failed, `Cannot listen on ${where}: ${why}`, { cause: error });
}
