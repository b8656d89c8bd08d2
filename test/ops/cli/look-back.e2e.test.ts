/**
 * The commands that look back, as people type them: what they refuse and with what words, and what they do without a
 * running gateway. On a recorded segment, which needs none.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../../src/client/mod.ts";
import { serveWeir, startWeir, weir } from "../../support/weir-command.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-look-back-"));
afterAll(() => rmSync(folder, { recursive: true }));
const golden = join(import.meta.dir, "../../golden/segments/0.1.0/story.weir");
const log = ["--log", `file:${golden}`];
/** A few processes each, on a machine that may do other work. */
const testMs = 90_000;

/** Lines as they come; undefined: no more. */
function linesOf(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  const next = async (): Promise<string | undefined> => {
    for (;;) {
      const end = rest.indexOf("\n");
      if (end >= 0) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return line;
      }
      const { done, value } = await reader.read();
      if (done) return undefined;
      rest += decoder.decode(value, { stream: true });
    }
  };
  return { next };
}

async function aSession(): Promise<string> {
  const { out } = await weir(["actors", "--json", ...log]);
  const [first] = (JSON.parse(out) as { actors: { id: string }[] }).actors;
  return first?.id ?? "";
}

async function refused(args: readonly string[], exitCode: number, message: RegExp): Promise<void> {
  const ended = await weir([...args, ...log]);
  expect({ args, exitCode: ended.exitCode, err: ended.err }).toEqual({
    ...{ args, exitCode },
    err: expect.stringMatching(message),
  });
}

test(
  "filters that are none and sessions that are not there are refused, and no file is made",
  async () => {
    const file = join(folder, "none.weir");
    await refused(["replay", "orders..eu"], 2, /^weir: .*orders\.\.eu/);
    await refused(["record", file, "--filter", "a.>.b"], 2, /^weir: --filter must be a filter: .*a\.>\.b/);
    await refused(["record", file, "--session", "nobody"], 1, /^weir: The log holds nothing of session\/nobody\n$/);
    expect(existsSync(file)).toBe(false);
  },
  testMs,
);

test(
  "weir record keeps a file that is there unless it is forced, and says in one line what cannot be written",
  async () => {
    const file = join(folder, "kept.weir");
    writeFileSync(file, "dear");
    await refused(["record", file], 1, /^weir: .*kept\.weir cannot be written: it is there already.*--force\n$/);
    expect(readFileSync(file, "utf8")).toBe("dear");
    expect((await weir(["record", file, "--force", ...log])).out).toContain("Wrote");
    expect((await weir(["actors", "--log", `file:${file}`])).exitCode).toBe(0);
    await refused(
      ["record", join(folder, "no/such/place.weir")],
      1,
      /^weir: .*place\.weir cannot be written: ENOENT.*\n$/,
    );
  },
  testMs,
);

test(
  "weir replay plays a session that is named by its id alone, as the other commands find it",
  async () => {
    const { exitCode, out } = await weir(["replay", await aSession(), "--speed", "max", ...log]);
    expect([exitCode, out]).toEqual([0, expect.stringContaining("Opened")]);
  },
  testMs,
);

test(
  "weir replay --speed step gives one record for each key, and ends with q",
  async () => {
    const records = await weir(["replay", ">", "--speed", "max", ...log]);
    const all = records.out.trimEnd().split("\n");
    expect(all.length).toBeGreaterThan(4);
    const child = startWeir(["replay", ">", "--speed", "step", ...log], { stdin: "pipe" });
    const lines = linesOf(child.stdout);
    const keys = child.stdin as Bun.FileSink;
    for (const wanted of all.slice(0, 3)) {
      keys.write(" ");
      await keys.flush();
      expect(await lines.next()).toBe(wanted);
    }
    keys.write("q");
    await keys.flush();
    expect(await lines.next()).toBeUndefined();
    expect(await child.exited).toBe(0);
  },
  testMs,
);

test(
  "weir inspect --watch goes on with the events of a session as a gateway journals them, and ends with a signal",
  async () => {
    const directory = join(folder, "watched");
    await using gateway = await serveWeir(["--log", `embedded:${directory}`]);
    const client = connect(gateway.url);
    await client.subscribe("orders.>", { qos: 1 }, () => undefined).ready;
    const session = client.session?.session ?? "";
    const watching = startWeir(["inspect", session, "--watch", "--log", `embedded:${directory}`]);
    const lines = linesOf(watching.stdout);
    const until = async (wanted: string): Promise<void> => {
      for (let line = await lines.next(); !line?.includes(wanted); line = await lines.next())
        if (line === undefined) throw new Error(`It ended before it told "${wanted}"`);
    };
    await until("Subscribed orders.>");
    await client.subscribe("prices.*", { qos: 0 }, () => undefined).ready;
    await until("Subscribed prices.*");
    await client.close();
    await until("Detached");
    watching.kill("SIGINT");
    expect(await watching.exited).toBe(0);
  },
  testMs,
);

test(
  "weir shadow names the setting that was probably meant by --set",
  async () => {
    const { exitCode, err } = await weir(["shadow", golden, "--set", "maxDelver=3"]);
    expect([exitCode, err]).toEqual([
      2,
      "weir: --set maxDelver=3: Unknown setting maxDelver, did you mean websocket.limits.maxDeliver?\n",
    ]);
  },
  testMs,
);

test(
  "weir inspect with the address of a dead gateway tells what the log knows, and that nobody answered",
  async () => {
    const session = await aSession();
    const { exitCode, out, err } = await weir(["inspect", session, "--url", "http://127.0.0.1:1", ...log]);
    expect([exitCode, out]).toEqual([0, expect.stringContaining(`session/${session} after event`)]);
    expect(err).toMatch(
      /^weir: No answer from http:\/\/127\.0\.0\.1:1.*[.?] What follows is what the log alone knows\n$/s,
    );
    expect(err).not.toContain("?.");
  },
  testMs,
);

test(
  "weir who of a place that the log has not reached says where it ends, and names nobody",
  async () => {
    const { out } = await weir(["who", "orders.eu", "999999", ...log]);
    expect(out).toMatch(/^The log ends at \d+: nothing is at 999999 yet\nNo session should have it\n$/);
  },
  testMs,
);

test(
  "weir who refuses a filter, and weir inspect says the sentence of a gateway that refuses",
  async () => {
    const { exitCode, err } = await weir(["who", "orders.>", "1", ...log]);
    expect([exitCode, err]).toEqual([2, expect.stringContaining("topic must be the one of the record, not a filter")]);
    const refuses = Bun.serve({ port: 0, fetch: () => Response.json({ detail: "Not known here" }, { status: 401 }) });
    try {
      const url = `http://127.0.0.1:${refuses.port}`;
      const refused = await weir(["inspect", await aSession(), "--url", url, "--token", "wrong", ...log]);
      expect(refused).toMatchObject({
        exitCode: 1,
        err: expect.stringMatching(/answers 401 for \S+: Not known here\n$/),
      });
    } finally {
      await refuses.stop(true);
    }
  },
  testMs,
);

test(
  "help of weir actors names the kind that it lists by default",
  async () => {
    expect((await weir(["actors", "--help"])).out).toContain("by default session");
  },
  testMs,
);
