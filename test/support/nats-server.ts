/**
 * A real nats-server with JetStream for tests: it can be stopped, killed, paused and started again on its port and store.
 *
 * Ready means that the server said so itself. It never outlives this process, however that ends: a shell at the other
 * end of a pipe kills it when the pipe closes.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findNatsBinary, type NatsBinary, type NatsLine } from "./nats-binary.ts";
import { claimPort } from "./nats-port.ts";

export type NatsServerOptions = {
  /** @default "newest" */
  readonly line?: NatsLine;
  /** Kept when the server ends. By default a folder of its own, removed then. */
  readonly storeDir?: string;
  readonly port?: number;
  readonly name?: string;
  /** How long an acknowledged write may lie unflushed: a duration, or "always". @default "1s" */
  readonly syncInterval?: string;
  /** @default "8MB" */
  readonly maxPayload?: string;
  /** More lines of the `jetstream` block. */
  readonly jetstream?: string;
  /** More lines of the configuration file: accounts, TLS, a cluster. */
  readonly config?: string;
};

export type NatsServer = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  readonly name: string;
  readonly version: string;
  readonly storeDir: string;
  /** Of the process that runs now. */
  readonly pid: number;
  readonly running: boolean;
  /** SIGTERM: it hands over what it leads and leaves. */
  stop(): Promise<void>;
  /** SIGKILL: nothing is flushed, nobody is told. */
  kill(): Promise<void>;
  /** SIGSTOP: its sockets stay open and nothing answers. Resolves when it stands still, a moment after the signal. */
  pause(): Promise<void>;
  continue(): void;
  /** Stops it if it runs, and starts it on the same port and store. */
  restart(): Promise<void>;
};

type Running = { readonly child: Bun.Subprocess<"ignore", "ignore", "pipe">; readonly guard: Bun.Subprocess<"pipe"> };

const readyWithinMs = 30_000;
const readyLine = "Server is ready";
const logCharsMax = 20_000;

/** Resolves when it is ready. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = await findNatsBinary(options.line ?? "newest");
  if (!binary.found) throw new Error(`Cannot start a nats-server: ${binary.reason}`);
  const claim = options.port === undefined ? await claimPort() : { port: options.port, release: () => undefined };
  const server = new ServerProcess(binary, claim.port, options, () => claim.release());
  try {
    await server.restart();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

class ServerProcess implements NatsServer {
  readonly url: string;
  readonly port: number;
  readonly name: string;
  readonly version: string;
  readonly storeDir: string;
  readonly #path: string;
  readonly #folder: string;
  readonly #release: () => void;
  #running: Running | undefined;

  constructor(binary: NatsBinary, port: number, options: NatsServerOptions, release: () => void) {
    this.#path = binary.path;
    this.version = binary.version;
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
    this.name = options.name ?? `weir-${port}`;
    this.#folder = mkdtempSync(join(tmpdir(), "weir-nats-"));
    this.storeDir = options.storeDir ?? join(this.#folder, "store");
    this.#release = release;
    writeFileSync(this.#configPath, configOf(this, options));
  }

  get pid(): number {
    if (this.#running === undefined) throw new Error(`${this.name} is not running`);
    return this.#running.child.pid;
  }

  get running(): boolean {
    return this.#running !== undefined && this.#running.child.exitCode === null;
  }

  get #configPath(): string {
    return join(this.#folder, "nats.conf");
  }

  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async pause(): Promise<void> {
    process.kill(this.pid, "SIGSTOP");
    while (!isStopped(this.pid)) await Bun.sleep(1);
  }

  continue(): void {
    process.kill(this.pid, "SIGCONT");
  }

  async restart(): Promise<void> {
    await this.stop();
    const child = Bun.spawn([this.#path, "-c", this.#configPath], { stdio: ["ignore", "ignore", "pipe"] });
    this.#running = { child, guard: guardOver(child.pid, this.#folder) };
    await said(child, readyLine, this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#release();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.child.kill(signal);
    // One that is paused would never see the other signal.
    running.child.kill("SIGCONT");
    await running.child.exited;
    running.guard.kill("SIGKILL");
    await running.guard.exited;
  }
}

function isStopped(pid: number): boolean {
  if (process.platform === "linux") return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") T ");
  return Bun.spawnSync(["ps", "-o", "stat=", "-p", String(pid)])
    .stdout.toString()
    .startsWith("T");
}

/** Its input ends with this process, also when that is killed. */
function guardOver(pid: number, folder: string): Bun.Subprocess<"pipe"> {
  const script = `trap '' INT TERM; read -r _; kill -KILL "$1"; rm -rf "$2"`;
  return Bun.spawn(["sh", "-c", script, "guard", String(pid), folder], { stdio: ["pipe", "ignore", "ignore"] });
}

/** Resolves when the log has this line. Reads on after that: a full pipe would stop the server. */
function said(child: Running["child"], line: string, name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (why: string, log: string) => reject(new Error(`${name} ${why}, it said:\n${log}`));
  void (async () => {
    let log = "";
    const timer = setTimeout(() => fail(`is not ready after ${readyWithinMs} ms`, log), readyWithinMs);
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      log = (log + text).slice(-logCharsMax);
      if (!log.includes(line)) continue;
      clearTimeout(timer);
      resolve();
    }
    clearTimeout(timer);
    fail("ended before it was ready", log);
  })();
  return promise;
}

function configOf(server: NatsServer, options: NatsServerOptions): string {
  return `
listen: "127.0.0.1:${server.port}"
server_name: ${server.name}
max_payload: ${options.maxPayload ?? "8MB"}
ping_interval: "20s"
ping_max: 2
jetstream {
  store_dir: ${JSON.stringify(server.storeDir)}
  sync_interval: ${options.syncInterval ?? "1s"}
  max_buffered_msgs: 65536
  max_buffered_size: 256MB
  strict: true
  ${options.jetstream ?? ""}
}
${options.config ?? ""}
`;
}
