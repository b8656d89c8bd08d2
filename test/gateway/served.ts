/**
 * A gateway in a process of its own, whose memory can be measured.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/ops/demo/gateway-process.ts";

const readyMs = 20_000;
const pollMs = 20;
const sampleMs = 25;
const kibibyte = 1_024;

/**
 * `anonymous` is memory of the process itself. `resident` also counts pages of the log's file that are mapped: they
 * belong to the page cache, and the kernel takes them back whenever somebody needs memory.
 */
export type Memory = { readonly anonymousBytes: number; readonly residentBytes: number };

export class Served {
  readonly url: string;
  readonly #directory: string;
  readonly #process: Bun.Subprocess;
  #maximum: Memory = { anonymousBytes: 0, residentBytes: 0 };
  #sampler: ReturnType<typeof setInterval> | undefined;

  private constructor(port: number, directory: string, environment: Readonly<Record<string, string>>) {
    this.url = `ws://127.0.0.1:${port}/`;
    this.#directory = directory;
    const main = join(import.meta.dir, "../../src/ops/cli/main.ts");
    const args = [
      "serve",
      "--profile",
      "development",
      "--port",
      String(port),
      "--log",
      `embedded:${directory}`,
      "--log-level",
      "error",
    ];
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("WEIR_"));
    const env = { ...Object.fromEntries(inherited), ...environment };
    this.#process = Bun.spawn([process.execPath, main, ...args], { stdout: "ignore", stderr: "inherit", env });
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<Served> {
    const served = new Served(await freePort(), mkdtempSync(join(tmpdir(), "weir-served-")), environment);
    const end = Date.now() + readyMs;
    const http = served.url.replace("ws", "http");
    while ((await fetch(`${http}ready`).catch(() => undefined))?.ok !== true) {
      if (Date.now() > end || served.#process.exitCode !== null)
        throw new Error(`The gateway was not ready within ${readyMs} ms`);
      await Bun.sleep(pollMs);
    }
    return served;
  }

  get running(): boolean {
    return this.#process.exitCode === null;
  }

  memory(): Memory {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    const of = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) * kibibyte;
    return { anonymousBytes: of("RssAnon"), residentBytes: of("VmRSS") };
  }

  /** Looks again and again from now on; `maximum` is since here. */
  watch(): void {
    clearInterval(this.#sampler);
    this.#maximum = this.memory();
    this.#sampler = setInterval(() => {
      if (this.running) this.#see(this.memory());
    }, sampleMs);
  }

  #see({ anonymousBytes, residentBytes }: Memory): void {
    const before = this.#maximum;
    this.#maximum = {
      anonymousBytes: Math.max(before.anonymousBytes, anonymousBytes),
      residentBytes: Math.max(before.residentBytes, residentBytes),
    };
  }

  get maximum(): Memory {
    return this.#maximum;
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url.replace("ws", "http")}metrics`)).text();
    return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sampler);
    this.#process.kill("SIGTERM");
    await this.#process.exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
