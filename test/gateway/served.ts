/**
 * A gateway in a process of its own, whose memory can be measured.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServingGateway, serveWeir } from "../support/weir-command.ts";

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
  readonly #gateway: ServingGateway;
  #maximum: Memory = { anonymousBytes: 0, residentBytes: 0 };
  #sampler: ReturnType<typeof setInterval> | undefined;

  private constructor(gateway: ServingGateway, directory: string) {
    this.url = `${gateway.url}/`;
    this.#directory = directory;
    this.#gateway = gateway;
  }

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<Served> {
    const directory = mkdtempSync(join(tmpdir(), "weir-served-"));
    const args = ["--profile", "development", "--log", `embedded:${directory}`];
    return new Served(await serveWeir(args, { env: environment }), directory);
  }

  get running(): boolean {
    return this.#gateway.child.exitCode === null;
  }

  memory(): Memory {
    const status = readFileSync(`/proc/${this.#gateway.child.pid}/status`, "utf8");
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
    await this.#gateway[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
