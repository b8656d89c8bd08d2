/**
 * Brings members to a pool by running a command on this machine, once for each: started when more are wanted, asked to end
 * (SIGTERM) when fewer are, started again when one ends by itself.
 *
 * Owns: as many processes as are wanted, and none when the gateway ends. Bounded: by the pool's `scaling.max`; one that
 * ends at once is started again later and later.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { PoolScaling } from "../../actors/pool/settings.ts";
import type { Scaler } from "../../runtime/pool/scaler.ts";
import type { Clock, Logger, Timer } from "../../runtime/ports.ts";

export type ProcessScalerPorts = { readonly clock: Clock; readonly logger: Logger };

/** One that was asked to end and has not is killed after this. */
const killMs = 10_000;
const restartMs = 500;
const restartMsMax = 30_000;
/** One that ran for so long did not end at once. */
const wellMs = 10_000;

type Crew = {
  wanted: number;
  settings: PoolScaling;
  readonly running: ChildProcess[];
  /** Ended by themselves in a row, soon after their start. */
  failures: number;
  restart: Timer | undefined;
};

export class ProcessScaler implements Scaler {
  readonly #ports: ProcessScalerPorts;
  /** For the workers, when one starts: where the gateway is. */
  readonly #env: () => Readonly<Record<string, string>>;
  readonly #crews = new Map<string, Crew>();
  readonly #ending = new Set<Promise<void>>();

  constructor(ports: ProcessScalerPorts, env: () => Readonly<Record<string, string>>) {
    this.#ports = ports;
    this.#env = env;
  }

  want(pool: string, members: number, settings: PoolScaling): void {
    const crew = this.#crews.get(pool) ?? { wanted: 0, settings, running: [], failures: 0, restart: undefined };
    if (crew.settings.command.join("\0") !== settings.command.join("\0")) this.#fill(pool, { ...crew, wanted: 0 });
    crew.settings = settings;
    if (crew.wanted === members) return;
    crew.wanted = members;
    this.#crews.set(pool, crew);
    this.#fill(pool, crew);
  }

  /** Processes that run now. */
  running(pool: string): number {
    return this.#crews.get(pool)?.running.length ?? 0;
  }

  /** Resolves when all have ended. */
  async stop(): Promise<void> {
    for (const [pool, crew] of this.#crews) this.want(pool, 0, crew.settings);
    await Promise.all(this.#ending);
  }

  #fill(pool: string, crew: Crew): void {
    if (crew.wanted === 0) crew.restart?.cancel();
    while (crew.running.length > crew.wanted) this.#end(crew.running.pop());
    if (crew.restart !== undefined) return;
    while (crew.running.length < crew.wanted) this.#start(pool, crew);
  }

  #start(pool: string, crew: Crew): void {
    const { clock, logger } = this.#ports;
    const [command = "", ...args] = crew.settings.command;
    const env = { ...process.env, ...this.#env(), WEIR_POOL: pool };
    const child = spawn(command, args, { env, stdio: ["ignore", "inherit", "inherit"] });
    const startedAt = clock.now();
    crew.running.push(child);
    const over = (why: string): void => {
      const at = crew.running.indexOf(child);
      if (at === -1) return; // It was asked to.
      crew.running.splice(at, 1);
      crew.failures = clock.now() - startedAt >= wellMs ? 0 : crew.failures + 1;
      const delayMs = Math.min(restartMs * 2 ** Math.min(crew.failures, 16), restartMsMax);
      logger.log("warn", "worker ended", { pool, why, restartMs: delayMs });
      crew.restart ??= clock.after(delayMs, () => {
        crew.restart = undefined;
        this.#fill(pool, crew);
      });
    };
    child.once("error", (error) => over(error.message));
    child.once("exit", (code, signal) => over(signal ?? `exit code ${code}`));
  }

  #end(child: ChildProcess | undefined): void {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = new Promise<void>((resolve) => {
      const kill = this.#ports.clock.after(killMs, () => child.kill("SIGKILL"));
      child.once("exit", () => {
        kill.cancel();
        resolve();
      });
    });
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
    child.kill("SIGTERM");
  }
}
