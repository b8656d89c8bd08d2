/**
 * Connects to NATS and asks what the servers there can do. Whatever stands against it is one sentence with what to do.
 * @module
 */
import {
  AuthorizationError,
  type ConnectionOptions,
  connect,
  type NatsConnection,
  NoRespondersError,
  PermissionViolationError,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import type { EpochMs } from "../../../protocol/ids.ts";
import type { Clock, Logger } from "../../ports.ts";
import { LogOpenError, UnavailableError } from "../event-log.ts";
import { Api, JetStreamError } from "./api.ts";

export type ConnectOptions = {
  /** As `127.0.0.1:4222`, with or without `nats://`. */
  readonly servers: readonly string[];
  /** User, password, token, TLS, authenticator: as the client library takes them. */
  readonly connection?: ConnectionOptions;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type Connected = {
  readonly nc: NatsConnection;
  readonly api: Api;
  readonly version: string;
  /** The server stores batches of messages atomically. */
  readonly batches: boolean;
  /** The server is one of several. */
  readonly clustered: boolean;
  /** `work`, unless NATS refuses this user something meanwhile; what goes wrong is a `LogOpenError`. */
  permitted<T>(work: Promise<T>): Promise<T>;
};

const reconnectMs = 100;
const dialMs = 5_000;
const pingMs = 5_000;
const pingsMax = 2;
const firstAnswerMs = 5_000;
/** The same refused subject is logged once in this time. */
const loggedAgainMs = 60_000;
const loggedSubjectsMax = 1_000;
/** API levels: 1 is 2.11, 2 is 2.12. */
const levelOfFloor = 1;
const levelOfBatches = 2;
/** The first ones deadlock. */
const batchesFrom = [2, 12, 2] as const;
const notEnabled = new Set([10_039, 10_076]);

type AccountInfo = { readonly api: { readonly level?: number } };

export async function connectToNats(options: ConnectOptions): Promise<Connected> {
  const nc = await dial(options);
  const permitted = watchPermissions(nc, options);
  const api = new Api(nc, options.clock);
  try {
    const where = options.servers.join(", ");
    await permitted(assertJetStream(nc, where));
    const level = (await permitted(accountInfo(api, where))).api.level ?? 0;
    const version = nc.info?.version ?? "";
    if (level < levelOfFloor) {
      const message = `nats-server ${version} at ${where} is too old: Weir needs 2.11 or newer, update the servers`;
      throw new LogOpenError("wrongVersion", message);
    }
    const batches = level >= levelOfBatches && isAtLeast(version, batchesFrom);
    return { nc, api, version, batches, clustered: nc.info?.cluster !== undefined, permitted };
  } catch (error) {
    api.close();
    await nc.close();
    throw error;
  }
}

async function dial({ servers, connection }: ConnectOptions): Promise<NatsConnection> {
  try {
    return await connect({
      ...connection,
      servers: [...servers],
      timeout: dialMs,
      noAsyncTraces: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: reconnectMs,
      reconnectJitter: reconnectMs,
      pingInterval: pingMs,
      maxPingOut: pingsMax,
      inboxPrefix: connection?.inboxPrefix ?? "_INBOX_weir",
    });
  } catch (error) {
    throw new LogOpenError("notWritable", dialProblem(error, servers.join(", ")), { cause: error });
  }
}

/** Codes of a certificate that this machine does not trust, of Node, Bun and Deno. */
const untrusted = /CERT|ISSUER|SIGNATURE|self.signed|certificate|UnknownIssuer|NotValidForName/i;
const unreachable = /refused|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET|timeout|getaddrinfo/i;

function dialProblem(error: unknown, where: string): string {
  const { message, code = "" } = error as Error & { readonly code?: string };
  const said = code === "" || message.includes(code) ? message : `${message}, ${code}`;
  if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError)
    return `NATS at ${where} refuses these credentials (${said}): check log.nats.user and password, token, nkeyFile or credentialsFile`;
  if (/does not support 'tls'/.test(message))
    return `NATS at ${where} speaks no TLS: use nats:// and no log.nats.tls, or configure the servers for it`;
  // Not every runtime hears why the server hung up.
  if (/^timeout/i.test(message))
    return `No NATS server answers at ${where} (${said}): start it, correct log.url, or set log.nats.tls.cert and log.nats.tls.key where the servers ask for a client certificate`;
  if (/certificate required|bad certificate|CERTIFICATE_REQUIRED|handshake failure/i.test(said))
    return `NATS at ${where} asks for a client certificate that it trusts (${said}): set log.nats.tls.cert and log.nats.tls.key`;
  if (untrusted.test(said))
    return `The certificate of NATS at ${where} is not trusted (${said}): name its authority with log.nats.tls.ca, and the servers as the certificate does`;
  if (unreachable.test(said)) return `No NATS server answers at ${where} (${said}): start it, or correct log.url`;
  return `NATS at ${where} cannot be used: ${said}. Check address, TLS and credentials`;
}

/** Where JetStream is off nobody listens, and the server says so at once. */
async function assertJetStream(nc: NatsConnection, where: string): Promise<void> {
  try {
    await nc.request("$JS.API.INFO", "", { timeout: firstAnswerMs });
  } catch (error) {
    // Silence is another matter: a leader may be being elected.
    if (!isNoResponders(error)) return;
    const message = `JetStream is not enabled at ${where}: add "jetstream {}" to the configuration of the servers`;
    throw new LogOpenError("unsupported", message);
  }
}

function isNoResponders(error: unknown): boolean {
  return error instanceof NoRespondersError || (error as Error | undefined)?.cause instanceof NoRespondersError;
}

async function accountInfo(api: Api, where: string): Promise<AccountInfo> {
  try {
    return await api.ask<AccountInfo>("$JS.API.INFO");
  } catch (error) {
    if (!(error instanceof JetStreamError) || !notEnabled.has(error.code)) throw error;
    const message = `This user's account at ${where} has no JetStream (${error.message}): enable it for the account, or use another user`;
    throw new LogOpenError("unsupported", message);
  }
}

/** Every refused subject is logged; the answer makes what waits for a refused one fail instead of waiting. */
function watchPermissions(nc: NatsConnection, { clock, logger }: ConnectOptions): Connected["permitted"] {
  const logged = new Map<string, EpochMs>();
  let refused: (error: LogOpenError) => void = () => undefined;
  void (async () => {
    for await (const status of nc.status()) {
      if (status.type !== "error" || !(status.error instanceof PermissionViolationError)) continue;
      const { operation, subject } = status.error;
      const what = operation === "publish" ? `publish to ${subject}` : `subscribe to ${subject}`;
      refused(
        new LogOpenError("notWritable", `The NATS user may not ${what}: docs/operations.md lists what Weir needs`),
      );
      const now = clock.now();
      if (now - (logged.get(what) ?? Number.NEGATIVE_INFINITY) < loggedAgainMs) continue;
      if (logged.size >= loggedSubjectsMax) logged.clear();
      logged.set(what, now);
      logger.log("error", "NATS refused a subject", { operation, subject });
    }
  })();
  return async (work) => {
    const refusal = new Promise<never>((_, reject) => {
      refused = reject;
    });
    refusal.catch(() => undefined);
    work.catch(() => undefined);
    try {
      return await Promise.race([work, refusal]);
    } catch (error) {
      if (error instanceof UnavailableError) {
        const message = `NATS is there, but its JetStream gives no answer (${error.message}): start the servers that are missing`;
        throw new LogOpenError("notWritable", message, { cause: error });
      }
      if (!(error instanceof JetStreamError)) throw error;
      throw new LogOpenError("notWritable", `NATS refused what Weir asked of it: ${error.message}`, { cause: error });
    }
  };
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, number] of least.entries()) {
    const part = parts[i] ?? 0;
    if (part !== number) return part > number;
  }
  return true;
}
