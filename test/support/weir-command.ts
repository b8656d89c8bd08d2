/**
 * The `weir` command as people run it: a process of its own, with an environment of its own.
 * @module
 */
import { join } from "node:path";

const main = join(import.meta.dir, "../../src/ops/cli/main.ts");

export type Ended = { readonly exitCode: number; readonly out: string; readonly err: string };

export type Surroundings = {
  readonly env?: Readonly<Record<string, string>>;
  /** Keys that a person presses; absent: nobody is there. */
  readonly stdin?: "pipe";
  /** Runs the command: `["taskset", "-c", "0"]`. */
  readonly under?: readonly string[];
};

export function startWeir(args: readonly string[], { env = {}, under = [], stdin }: Surroundings = {}) {
  return Bun.spawn([...under, process.execPath, main, ...args], {
    stdio: [stdin ?? "ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...env },
  });
}

export async function weir(args: readonly string[]): Promise<Ended> {
  const child = startWeir(args);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, out, err };
}

export type ServingGateway = AsyncDisposable & {
  readonly url: string;
  readonly http: string;
  readonly child: ReturnType<typeof startWeir>;
  /** The next log line of that name; what came before it is passed over. */
  line(event: string): Promise<Readonly<Record<string, unknown>>>;
};

/** A gateway on a free port unless another one is asked for, when it says where it listens. Throws what it said when it ends before. */
export async function serveWeir(args: readonly string[], surroundings?: Surroundings): Promise<ServingGateway> {
  const port = args.some((arg) => arg.startsWith("--port")) ? [] : ["--port", "0"];
  const child = startWeir(["serve", ...port, "--log-level", "error", ...args], surroundings);
  const reader = child.stdout.getReader();
  let out = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The gateway ended: ${out}${await new Response(child.stderr).text()}`);
    out += new TextDecoder().decode(value);
    const url = /ws:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0];
    if (url === undefined) continue;
    reader.releaseLock();
    const end = async (): Promise<void> => {
      child.kill("SIGKILL");
      await child.exited;
    };
    const line = lineReader(child.stderr);
    return { url, http: url.replace("ws", "http"), child, line, [Symbol.asyncDispose]: end };
  }
}

/** Takes the stream only when it is asked: until then it is anybody's. */
function lineReader(stream: ReadableStream<Uint8Array>) {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  const decoder = new TextDecoder();
  let rest = "";
  const next = async (): Promise<string> => {
    for (let end = rest.indexOf("\n"); ; end = rest.indexOf("\n")) {
      if (end >= 0) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return line;
      }
      reader ??= stream.getReader();
      const { done, value } = await reader.read();
      if (done) throw new Error("The gateway ended");
      rest += decoder.decode(value, { stream: true });
    }
  };
  return async (event: string): Promise<Readonly<Record<string, unknown>>> => {
    for (;;) {
      const fields = JSON.parse(await next()) as Readonly<Record<string, unknown>>;
      if (fields["event"] === event) return fields;
    }
  };
}
