/**
 * Where examples are played: a real gateway process, child processes as a reader would start them, a temporary
 * folder, and Chromium where there is one. Everything ends with `end()`.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { type Client, connect } from "../../src/client/mod.ts";
import { GatewayProcess } from "../kill/gateway-process.ts";
import { launchChromium } from "../support/chromium.ts";

const root = join(import.meta.dir, "../..");
const pollMs = 20;

/** Comes back when the fact holds; fails with what was seen instead. */
export async function until<T>(what: string, look: () => T | Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  const endMs = Date.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > endMs) throw new Error(`Waited for ${what}, saw ${JSON.stringify(seen)}`);
    await Bun.sleep(pollMs);
  }
}

async function freePort(): Promise<number> {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const port = server.port ?? 0;
  await server.stop(true);
  return port;
}

type Child = Bun.Subprocess<"ignore", "pipe", "inherit">;

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "weir-example-"));
  readonly gateway: GatewayProcess;
  readonly #children = new Set<Child>();
  readonly #clients: Client[] = [];
  readonly #browsers: Browser[] = [];

  private constructor(port: number) {
    this.gateway = new GatewayProcess(port, `embedded:${join(this.folder, "log")}`);
  }

  static async open(): Promise<Stage> {
    const stage = new Stage(await freePort());
    await stage.gateway.start();
    return stage;
  }

  /** SIGKILL, and a start on the same log. */
  async restartGateway(): Promise<void> {
    await this.gateway.kill();
    await this.gateway.start();
  }

  /** Runs a script of examples/ as its README says. */
  run(script: string, args: readonly string[] = [], env: Record<string, string> = {}): Child {
    return this.spawn([process.execPath, join(root, "examples", script), ...args], env);
  }

  spawn(command: readonly string[], env: Record<string, string> = {}): Child {
    const child = Bun.spawn([...command], {
      cwd: this.folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
      env: { ...process.env, WEIR_URL: this.gateway.url, ...env },
    });
    this.#children.add(child);
    return child;
  }

  /** Runs an example's page server; answers the address that it prints. */
  async page(script: string, env: Record<string, string> = {}): Promise<string> {
    const decoder = new TextDecoder();
    let printed = "";
    for await (const chunk of this.run(script, [], { PORT: "0", ...env }).stdout) {
      printed += decoder.decode(chunk, { stream: true });
      const address = /Open (http:\/\/localhost:\d+)/.exec(printed)?.[1];
      if (address !== undefined) return address;
    }
    throw new Error(`${script} ended without an address: ${printed}`);
  }

  async kill(child: Child): Promise<void> {
    child.kill("SIGKILL");
    await child.exited;
  }

  client(): Client {
    const client = connect(this.gateway.url, { reconnect: { minMs: 20, maxMs: 200 } });
    this.#clients.push(client);
    return client;
  }

  async browser(): Promise<Browser> {
    const browser = await launchChromium();
    this.#browsers.push(browser);
    return browser;
  }

  async end(): Promise<void> {
    await Promise.all(this.#browsers.map((browser) => browser.close()));
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const child of this.#children) await this.kill(child);
    await this.gateway.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
