/**
 * The `weir` command as people run it: real processes, a real log, real signals.
 * @module
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const main = join(import.meta.dir, "../../../src/ops/cli/main.ts");
const commands = ["serve", "publish", "request", "tail", "history", "bench", "demo"];
const slowMs = 60_000;

type Ended = { readonly exitCode: number; readonly out: string; readonly err: string };

function start(args: readonly string[], input = "") {
  return Bun.spawn([process.execPath, main, ...args], {
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env.PATH },
  });
}
async function weir(args: readonly string[], input?: string): Promise<Ended> {
  const child = start(args, input);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, out, err };
}

/** Starts a gateway on a free port and waits until it says where it listens. */
async function serve(log: string) {
  const child = start(["serve", "--port", "0", "--log", log, "--log-level", "error"]);
  const reader = child.stdout.getReader();
  let out = "";
  while (!out.includes("Ctrl-C")) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`The gateway ended: ${out}${await new Response(child.stderr).text()}`);
    out += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  return { child, out, url: /ws:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0] as string };
}

let directory = "";
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-cli-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("weir", () => {
  test(
    "shows help for itself and for every command",
    async () => {
      const help = await weir(["--help"]);
      expect(help.exitCode).toBe(0);
      for (const command of commands) {
        expect(help.out).toContain(command);
        const own = await weir([command, "--help"]);
        expect(help.out + own.out).not.toContain("\u001b"); // A pipe gets no colours.
        expect({ command, exitCode: own.exitCode, shows: own.out.includes("OPTIONS") }).toEqual({
          command,
          exitCode: 0,
          shows: true,
        });
      }
    },
    slowMs,
  );

  test(
    "ends with 2 and says why when the command line or the configuration is wrong",
    async () => {
      const cases: readonly (readonly [readonly string[], string])[] = [
        [
          ["sevre"],
          'weir: Unknown command "sevre", expected one of: serve, balance, publish, request, tail, history, presence, actors, inspect, why, who, lag, replay, record, play, shadow, nodes, pools, pool, drain, rollout, nats, log, config, bench, demo\n',
        ],
        [["tail", ">", "--form", "all"], "weir: Unknown option --form, did you mean --from? Expected one of: "],
        [["tail"], "weir: Missing required positional argument: FILTER\n"],
        [["tail", ">", "--qos", "3"], 'weir: --qos must be one of 0, 1, 2, got "3"\n'],
        [
          ["tail", ">", "--url", "http://a"],
          'weir: --url must be a WebSocket address as ws://127.0.0.1:8080, got "http://a"\n',
        ],
        [
          ["serve", "--port", "x"],
          'weir: Wrong configuration\n  flag --port: websocket.port: must be a whole number from 0 to 65535, got "x"\n',
        ],
        [
          ["serve", "--server.prot=1"],
          "weir: Unknown option --server.prot, did you mean --server.port? Expected one of: ",
        ],
        [["publish", "a", "1", "--token", "an-api-key"], "weir: --token must be a JWT, three parts joined by dots: "],
        [["serve", "--host", "0.0.0.0"], "weir: Wrong configuration\n  profile production: Nobody could connect: "],
      ];
      for (const [args, message] of cases) {
        const { exitCode, out, err } = await weir(args);
        expect({ args, exitCode, out }).toEqual({ args, exitCode: 2, out: "" });
        expect(err).toStartWith(message);
      }
    },
    slowMs,
  );
});

describe("weir serve", () => {
  test(
    "takes what is published, gives it back after a restart, and stops in order on SIGTERM",
    async () => {
      const log = `embedded:${join(directory, "restart")}`;
      const first = await serve(log);
      expect(first.out).toContain("/health");
      expect(first.out).toContain(`kill -9 ${first.child.pid} `);
      expect((await fetch(`${first.url.replace("ws", "http")}/health`)).status).toBe(200);
      expect(await weir(["publish", "orders.eu.42", '{"total": 7}', "--url", first.url])).toMatchObject({
        exitCode: 0,
        out: "published at 1\n",
      });
      expect(await weir(["publish", "orders.us.1", "--url", first.url], "a\nb\n")).toMatchObject({
        exitCode: 0,
        out: "published 2 records\n",
      });
      first.child.kill("SIGTERM");
      expect(await first.child.exited).toBe(0);

      const second = await serve(log);
      const history = await weir(["history", "orders.>", "--format", "payload", "--url", second.url]);
      expect(history).toMatchObject({ exitCode: 0, out: '{"total": 7}\na\nb\n' });
      const backward = await weir([
        "history",
        "orders.us.*",
        "--backward",
        "--limit",
        "1",
        "--format",
        "json",
        "--url",
        second.url,
      ]);
      expect(JSON.parse(backward.out)).toMatchObject({ seq: 3, topic: "orders.us.1", payload: "b" });
      const tail = await weir([
        "tail",
        "orders.us.*",
        "--from",
        "all",
        "--limit",
        "2",
        "--format",
        "payload",
        "--url",
        second.url,
      ]);
      expect(tail).toMatchObject({ exitCode: 0, out: "a\nb\n" });
      second.child.kill("SIGINT");
      expect(await second.child.exited).toBe(0);
    },
    slowMs,
  );

  test(
    "ends with 1 and one clear line when the port or the log is another gateway's",
    async () => {
      const directoryOfLog = join(directory, "taken");
      const running = await serve(`embedded:${directoryOfLog}`);
      const { port } = new URL(running.url);
      expect(await weir(["serve", "--port", port, "--log", "memory:"])).toEqual({
        exitCode: 1,
        out: "",
        err: `weir: Cannot listen on 127.0.0.1:${port}: the port is in use; stop the other process, or choose another port with --port\n`,
      });
      const second = await weir(["serve", "--port", "0", "--log", `embedded:${directoryOfLog}`]);
      expect(second).toMatchObject({ exitCode: 1, out: "" });
      expect(second.err).toStartWith(`weir: ${directoryOfLog} is being written by another gateway`);
      running.child.kill("SIGTERM");
      expect(await running.child.exited).toBe(0);
    },
    slowMs,
  );
});

describe("weir publish", () => {
  test(
    "says at once that the server has no such path, and after the wait that nobody answered",
    async () => {
      const running = await serve("memory:");
      expect(running.out).not.toContain("nothing is lost"); // Not true of a log in memory.
      const wrongPath = `${running.url}/nowhere`;
      expect(await weir(["publish", "a", "1", "--url", wrongPath])).toEqual({
        exitCode: 1,
        out: "",
        err: `weir: Nothing is at ${wrongPath} (404): a gateway serves ${running.url}\n`,
      });
      running.child.kill("SIGKILL");
      await running.child.exited;
      expect(await weir(["publish", "a", "1", "--wait", "1", "--url", wrongPath])).toEqual({
        exitCode: 1,
        out: "",
        err:
          `weir: No answer from ${wrongPath} within 1 s, is a gateway running there? ` +
          `Or its path "/nowhere" is wrong: a gateway serves ${running.url}\n`,
      });
    },
    slowMs,
  );
});

test(
  "weir publish says of a gateway that drains that it drains, not that nobody answers",
  async () => {
    const { child, out, url } = await serve("memory:");
    const http = url.replace("ws", "http");
    const headers = { Authorization: `Bearer ${/admin key +(\S+)/.exec(out)?.[1]}` };
    const nodes = (await (await fetch(`${http}/api/v1/nodes`, { headers })).json()) as { items: { id: string }[] };
    const drained = await fetch(`${http}/api/v1/nodes/${nodes.items[0]?.id}/drain`, { method: "POST", headers });
    expect(drained.status).toBe(200);
    const { exitCode, err } = await weir(["publish", "a", "1", "--wait", "1", "--url", url]);
    expect([exitCode, err]).toEqual([1, expect.stringContaining(`The gateway at ${url} is draining`)]);
    child.kill("SIGKILL");
    await child.exited;
  },
  slowMs,
);

describe("weir demo", () => {
  test(
    "loses nothing and sees nothing twice while its gateway is killed",
    async () => {
      const { exitCode, out, err } = await weir(["demo", "--seconds", "5", "--kill-every", "1", "--no-tty"]);
      expect(err).toBe("");
      const lines = out.trimEnd().split("\n");
      expect(lines.filter((line) => line.includes(" on their way, ")).length).toBeGreaterThan(2);
      const last = /^(\d+) published, .*, 0 lost, 0 duplicated, (\d+) gateway kills$/.exec(lines.at(-1) ?? "");
      const [, published, kills] = last ?? [];
      expect(Number(published)).toBeGreaterThan(1_000);
      expect(Number(kills)).toBeGreaterThanOrEqual(1); // How often depends on how fast this machine starts one.
      expect(exitCode).toBe(0);
    },
    slowMs,
  );
});

describe("weir bench", () => {
  test(
    "reports rates and latencies, with nothing missing",
    async () => {
      const gateway = await serve("memory:");
      const { exitCode, out } = await weir(["bench", "--seconds", "1", "--in-flight", "50", "--url", gateway.url]);
      gateway.child.kill("SIGTERM");
      await gateway.child.exited;
      expect(out).toMatch(/^acknowledged {2}\d+ \(\d+\/s\)\ndelivered {5}\d+ \(\d+\/s\), 0 missing, 0 duplicated\n/);
      expect(exitCode).toBe(0);
    },
    slowMs,
  );
});
