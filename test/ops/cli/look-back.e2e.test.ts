/**
 * The commands that look back, as people type them: what they refuse and with what words, and what they do without a
 * running gateway. On a recorded segment, which needs none.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { weir } from "../../support/weir-command.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-look-back-"));
afterAll(() => rmSync(folder, { recursive: true }));
const golden = join(import.meta.dir, "../../golden/segments/0.1.0/story.weir");
const log = ["--log", `file:${golden}`];
/** A few processes each, on a machine that may do other work. */
const testMs = 90_000;

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
  "weir inspect with the address of a dead gateway tells what the log knows, and that nobody answered",
  async () => {
    const session = await aSession();
    const { exitCode, out, err } = await weir(["inspect", session, "--url", "http://127.0.0.1:1", ...log]);
    expect([exitCode, out]).toEqual([0, expect.stringContaining(`session/${session} after event`)]);
    expect(err).toMatch(/^weir: No answer from http:\/\/127\.0\.0\.1:1.*What follows is what the log alone knows\n$/s);
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
  "help of weir actors names the kind that it lists by default",
  async () => {
    expect((await weir(["actors", "--help"])).out).toContain("by default session");
  },
  testMs,
);
