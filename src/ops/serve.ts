/**
 * Runs a gateway on this machine: opens what the configuration names, starts, and stops in order when a signal
 * asks for it. The one place where the real ports are put together.
 * @module
 */
import { pino } from "pino";
import { anonymousAuthenticator, authenticator, jwtAuthenticator } from "../runtime/auth.ts";
import { createGateway } from "../runtime/gateway.ts";
import { pinoLogger } from "../runtime/logger.ts";
import type { Authenticator, Clock } from "../runtime/ports.ts";
import { sha256, systemClock, systemProcess, systemRandom } from "../runtime/system.ts";
import { hostTransport } from "../runtime/transport/host.ts";
import type { Transport } from "../runtime/transport/transport.ts";
import { CliError, type ExitCode, exitCodes } from "./cli/exit-code.ts";
import { welcomeText } from "./cli/welcome.ts";
import type { Config } from "./config/profile.ts";
import { openLog } from "./log/open-log.ts";
import { readText } from "./read-text.ts";

const stopTimeoutMs = 10_000;
/** For journals and what else the log has to take, after the connections are gone. */
const flushTimeoutMs = 10_000;
/** A terminal sends Ctrl-C to the whole process group, and a launcher forwards it: the same wish, twice. */
const sameSignalMs = 500;

export async function serve(config: Config): Promise<ExitCode> {
  const clock = systemClock();
  const random = systemRandom();
  // Standard error: what the command itself says on standard output stays readable.
  const logger = pinoLogger({ level: config.logging.level, destination: pino.destination(2) });
  const gatewayConfig = {
    hostname: config.server.host,
    port: config.server.port,
    origins: config.security.origins,
    limits: config.limits,
    sessionsMax: config.sessionsMax,
    retention: config.log.retention,
    ...(config.server.node === undefined ? {} : { node: config.server.node }),
    ...(config.server.tls === undefined ? {} : { tls: readTls(config.server.tls) }),
  };
  const authenticates = authenticatorOf(config, clock);
  const transport = await transportOfHost();
  const { node } = config.server;
  const log = await openLog(
    config.log.store,
    { clock, random, logger },
    { client: node === undefined ? "weir" : `weir ${node}`, provision: config.profile === "development" },
  );
  const probe = systemProcess();
  const ports = { clock, random, digest: sha256, log, transport, authenticator: authenticates, logger, probe };
  const gateway = createGateway(ports, gatewayConfig);
  try {
    const listening = await gateway.start();
    console.log(welcomeText({ ...listening, pid: process.pid }, config));
  } catch (error) {
    await log.close();
    throw listenError(error, config);
  }
  const signal = await firstSignal();
  console.log(`Stopping on ${signal}, once more to stop at once`);
  const stopping = gateway
    .stop({ reason: `the gateway is stopping on ${signal}`, timeoutMs: stopTimeoutMs })
    .then(() => log.close());
  await inTime(stopping);
  probe.stop();
  return exitCodes.done;
}

/** A log that is away takes nothing any more. What was acknowledged is in it; sessions are found at the next start. */
async function inTime(stopping: Promise<void>): Promise<void> {
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

async function transportOfHost(): Promise<Transport> {
  try {
    return await hostTransport();
  } catch (error) {
    throw new CliError(exitCodes.failed, (error as Error).message, { cause: error });
  }
}

function authenticatorOf(config: Config, clock: Clock): Authenticator {
  const { anonymous, jwt } = config.security;
  const by: { jwt?: Authenticator; anonymous?: Authenticator } = {};
  try {
    if (anonymous.allow) by.anonymous = anonymousAuthenticator(anonymous);
    if (jwt !== undefined) {
      const key =
        jwt.key.kind === "publicKeyFile" ? ({ kind: "publicKey", text: readText(jwt.key.path) } as const) : jwt.key;
      by.jwt = jwtAuthenticator({ ...jwt, key }, { clock });
    }
  } catch (error) {
    throw error instanceof CliError ? error : new CliError(exitCodes.usage, (error as Error).message, { cause: error });
  }
  return authenticator(by);
}

function readTls(paths: { readonly cert: string; readonly key: string }): { cert: string; key: string } {
  return { cert: readText(paths.cert), key: readText(paths.key) };
}

function listenError(error: unknown, config: Config): unknown {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  const where = `${config.server.host}:${config.server.port}`;
  const because: Readonly<Record<string, string>> = {
    EADDRINUSE: "the port is in use; stop the other process, or choose another port with --port",
    EACCES: "this user may not use the port; choose one above 1023 with --port",
    EADDRNOTAVAIL: "this machine does not have that address; choose another with --host",
  };
  const why = because[code ?? cause?.code ?? ""];
  if (why === undefined) return error;
  return new CliError(exitCodes.failed, `Cannot listen on ${where}: ${why}`, { cause: error });
}

/** The first SIGINT or SIGTERM; a later one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        resolve(signal);
      } else if (now - firstAt > sameSignalMs) {
        process.exit(exitCodes.failed);
      }
    };
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  });
}
