/**
 * Runs the proxy on this machine until a signal ends it. The one place where its real ports are put together.
 * @module
 */
import { pino } from "pino";
import { pinoLogger } from "../../runtime/logger.ts";
import { systemClock, systemRandom } from "../../runtime/system.ts";
import { hostTransport } from "../../runtime/transport/host.ts";
import type { Listener } from "../../runtime/transport/transport.ts";
import { CliError, type ExitCode, exitCodes } from "../cli/exit-code.ts";
import { firstSignal } from "../signals.ts";
import { type BalanceAdminOptions, startAdmin } from "./balance-admin.ts";
import type { Balancing } from "./balance-options.ts";
import { BalanceServer } from "./balance-server.ts";
import { hostSockets } from "./host-sockets.ts";

export async function runBalance({ server: options, admin, stopTimeoutMs, logLevel }: Balancing): Promise<ExitCode> {
  const logger = pinoLogger({ level: logLevel, destination: pino.destination(2) });
  const ports = { clock: systemClock(), random: systemRandom(), logger, sockets: await hostSockets() };
  const server = new BalanceServer(options, ports);
  const { hostname, tls } = options;
  const port = await listening(() => server.start(), `${hostname}:${options.port}`);
  const adminListener = admin === undefined ? undefined : await adminOf(server, admin);
  console.log(welcome(`${tls === undefined ? "ws" : "wss"}://${shown(hostname)}:${port}`, server, adminListener));
  const signal = await firstSignal();
  console.log(`Stopping on ${signal}, once more to stop at once`);
  await server.stop(stopTimeoutMs);
  await adminListener?.stop({ terminate: true });
  return exitCodes.done;
}

/** Without it the proxy does not run: whoever asked for it would miss it when it is needed. */
async function adminOf(server: BalanceServer, admin: BalanceAdminOptions): Promise<Listener> {
  try {
    const start = async () => startAdmin(server, await hostTransport(), admin);
    return await listening(start, `${admin.hostname}:${admin.port}`);
  } catch (error) {
    await server.stop(0);
    throw error;
  }
}

function welcome(url: string, { backends }: BalanceServer, admin: Listener | undefined): string {
  const all = backends.all();
  const lines = [`Weir balances ${url} over ${all.length} backends, ${backends.available} available`];
  if (admin !== undefined) lines.push(`  admin  http://${shown(admin.hostname)}:${admin.port}/backends`);
  return lines.join("\n");
}

function shown(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

async function listening<T>(start: () => Promise<T>, where: string): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: { code?: string } };
    const why = code ?? cause?.code ?? (error as Error).message;
    throw new CliError(exitCodes.failed, `Cannot listen on ${where}: ${why}`, { cause: error });
  }
}
