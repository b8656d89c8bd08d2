/**
 * A gateway in a process of its own, that can be killed without warning and started again on the same port and log.
 * @module
 */
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { CliError, exitCodes } from "../cli/exit-code.ts";

const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const readyWithinMs = 20_000;
const pollMs = 20;

export class GatewayProcess {
  readonly url: string;
  readonly #port: number;
  readonly #directory: string;
  #child: Bun.Subprocess<"ignore", "ignore", "pipe"> | undefined;

  constructor(port: number, directory: string) {
    this.#port = port;
    this.#directory = directory;
    this.url = `ws://127.0.0.1:${port}`;
  }

  /** Resolves when it is ready for clients. */
  async start(): Promise<void> {
    const options = ["--port", String(this.#port), "--log", `embedded:${this.#directory}`, "--log-level", "error"];
    const child = Bun.spawn([process.execPath, main, "serve", "--profile", "development", ...options], {
      stdio: ["ignore", "ignore", "pipe"],
      env: withoutSettings(process.env),
    });
    this.#child = child;
    const giveUpAt = performance.now() + readyWithinMs;
    while (!(await this.#ready())) {
      if (child.exitCode !== null) {
        const said = (await new Response(child.stderr).text()).trim();
        throw new CliError(exitCodes.failed, `The demo's gateway ended with code ${child.exitCode}: ${said}`);
      }
      if (performance.now() > giveUpAt)
        throw new CliError(exitCodes.failed, `The demo's gateway is not ready after ${readyWithinMs} ms`);
      await Bun.sleep(pollMs);
    }
  }

  /** SIGKILL: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill(signal);
    await child?.exited;
  }

  async #ready(): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#port}/ready`)).ok;
    } catch {
      return false; // not listening yet
    }
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new CliError(exitCodes.failed, "No free port was found");
  return address.port;
}

/** The demo's gateway runs with the demo's settings, whatever the shell has set. */
function withoutSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("WEIR_")));
}
