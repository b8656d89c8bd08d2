/**
 * `weir serve` as a process of one of the runtimes, on a free port.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Ends with the block that it is used in, however that ends. */
export class HostedGateway implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #problems: Promise<string>;
  url = "";

  private constructor(command: readonly string[], cwd: string | undefined) {
    this.#process = Bun.spawn([...command], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, WEIR_LOG_LEVEL: "error" },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.#problems = new Response(this.#process.stderr).text();
  }

  /** Comes back when it listens; throws with what it said when it ends instead. */
  static async start(weir: readonly string[], options: readonly string[], cwd?: string): Promise<HostedGateway> {
    const gateway = new HostedGateway([...weir, "serve", "--port", "0", ...options], cwd);
    const decoder = new TextDecoder();
    let printed = "";
    const reader = gateway.#process.stdout.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`The gateway ended: ${await gateway.#problems}`);
      printed += decoder.decode(value, { stream: true });
      const url = /Weir listens on (wss?:\/\/\S+)/.exec(printed)?.[1];
      if (url === undefined) continue;
      gateway.url = url;
      // Or a full pipe would stop it.
      void (async () => {
        while (!(await reader.read()).done);
      })();
      return gateway;
    }
  }

  get httpUrl(): string {
    return this.url.replace(/^ws/, "http");
  }

  /** Its exit code. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number> {
    this.#process.kill(signal);
    return await this.#process.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
  }
}

export type Ended = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

export async function ended(command: readonly string[], cwd?: string): Promise<Ended> {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    ...(cwd === undefined ? {} : { cwd }),
  });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, stdout, stderr };
}

/** Gone when the block ends. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "weir-runtime-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
