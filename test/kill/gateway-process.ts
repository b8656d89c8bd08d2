/**
 * A production gateway as a real process that is killed without warning and started again on the same log.
 * @module
 */
import { join } from "node:path";

const readyMs = 20_000;
const pollMs = 20;

export class GatewayProcess {
  kills = 0;
  readonly #port: number;
  readonly #log: string;
  readonly #env: Readonly<Record<string, string>>;
  #process: Bun.Subprocess | undefined;

  /** `log` as the command line takes it, `env` of further settings. */
  constructor(port: number, log: string, env: Readonly<Record<string, string>> = {}) {
    this.#port = port;
    this.#log = log;
    this.#env = env;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}/`;
  }
  /** Of its REST. */
  get http(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Comes back when it answers that it is ready. */
  async start(): Promise<void> {
    const main = join(import.meta.dir, "../../src/ops/cli/main.ts");
    const args = ["serve", "--port", String(this.#port), "--log", this.#log];
    this.#process = Bun.spawn([process.execPath, main, ...args], {
      stdout: "ignore",
      stderr: "inherit",
      env: { ...process.env, WEIR_LOG_LEVEL: "error", ...this.#env },
    });
    const endMs = Date.now() + readyMs;
    while (Date.now() < endMs) {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/ready`).catch(() => undefined);
      if (answer?.ok === true) return;
      if (this.#process.exitCode !== null)
        throw new Error(`The gateway ended with exit code ${this.#process.exitCode}`);
      await Bun.sleep(pollMs);
    }
    throw new Error(`The gateway was not ready within ${readyMs} ms`);
  }

  /** Comes back when it has ended by itself, with its exit code. */
  async ended(): Promise<number | undefined> {
    return await this.#process?.exited;
  }

  /** SIGKILL: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    this.kills++;
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
  }

  /** It stands still with its sockets open, and goes on where it was. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }
  continue(): void {
    this.#process?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    this.#process?.kill("SIGTERM");
    await this.#process?.exited;
  }
}
