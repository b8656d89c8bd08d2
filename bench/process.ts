/**
 * Starts a process pinned to one core with many file descriptors, and ends it. Server and load generator
 * never share a core: core 0 is the server's, core 1 the generator's.
 * @module
 */
import { availableParallelism } from "node:os";

export type Core = 0 | 1;
export type PinnedProcess = {
  readonly pid: number;
  readonly exited: Promise<number>;
  /** What it printed last, for an error message. */
  output(): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
};

const outputKeptBytes = 8_192;
const stopGraceMs = 15_000;

/** `exec` keeps one pid all the way, so that what is measured is the program and not a shell around it. */
function pinnedCommand(core: Core, command: readonly string[]): string[] {
  const script = 'ulimit -n 200000 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"';
  const pin = availableParallelism() > 1 ? ["taskset", "-c", String(core)] : [];
  return ["bash", "-c", script, "bench", ...pin, ...command];
}

export function startPinned(core: Core, command: readonly string[], onLine?: (line: string) => void): PinnedProcess {
  const child = Bun.spawn(pinnedCommand(core, command), {
    cwd: `${import.meta.dir}/..`,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let kept = "";
  const keep = (line: string): void => {
    kept = `${kept}${line}\n`.slice(-outputKeptBytes);
  };
  void eachLine(child.stdout, onLine ?? keep);
  void eachLine(child.stderr, keep);
  return {
    pid: child.pid,
    exited: child.exited,
    output: () => kept,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), stopGraceMs);
      await child.exited;
      clearTimeout(timer);
    },
  };
}

async function eachLine(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  if (rest !== "") onLine(rest);
}

/** A port of the loopback that nobody listens on. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const port = probe.port;
  probe.stop(true);
  return port;
}

/** Resolves when something accepts connections on the port; throws when the process ends first or time is up. */
export async function whenListening(port: number, server: PinnedProcess, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let code: number | undefined;
  void server.exited.then((value) => {
    code = value;
  });
  while (performance.now() < deadline) {
    if (code !== undefined) throw new Error(`Server ended with code ${code} before it listened:\n${server.output()}`);
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } }).catch(() => undefined);
    if (socket !== undefined) return void socket.end();
    await Bun.sleep(50);
  }
  throw new Error(`Server did not listen on port ${port} within ${timeoutMs} ms:\n${server.output()}`);
}
