/** REST of `weir serve`: which key it makes, when it tells it, and what it does without one. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { serveWeir, startWeir, weir } from "../../support/weir-command.ts";

type Served = { readonly http: string; readonly said: string };

/** Starts, looks, stops with SIGTERM; answers everything that it said on standard output. */
async function served(args: readonly string[], look: (served: Served) => Promise<void>): Promise<string> {
  const child = startWeir(["serve", "--port", "0", "--log-level", "error", ...args]);
  const decoder = new TextDecoder();
  let said = "";
  let looked = false;
  for await (const chunk of child.stdout) {
    said += decoder.decode(chunk, { stream: true });
    const port = /ws:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    if (looked || port === undefined) continue;
    looked = true;
    await look({ http: `http://127.0.0.1:${port}`, said });
    child.kill("SIGTERM");
  }
  expect(await child.exited).toBe(0);
  return said;
}
const nodes = (http: string, key: string): Promise<Response> =>
  fetch(`${http}/api/v1/nodes`, { headers: { Authorization: `Bearer ${key}` } });

test("weir serve in development makes an admin key once, tells it once, and takes it at every start", async () => {
  const directory = mkdtempSync(join(tmpdir(), "weir-serve-key-"));
  const log = ["--log", `embedded:${join(directory, "log")}`];
  try {
    const key = (): string => readFileSync(join(directory, "log/admin-key"), "utf8").trim();
    const first = await served(log, async ({ http }) => {
      expect((await nodes(http, key())).status).toBe(200);
      expect((await nodes(http, `${key()}x`)).status).toBe(401);
    });
    expect(first).toContain(key());
    const second = await served(log, async ({ http }) => expect((await nodes(http, key())).status).toBe(200));
    expect(second).not.toContain(key());
    expect(second).toContain("admin-key");
    const configured = await served(
      [...log, `--security.apiKeys=vera:viewer:${keyDigest("hers")}`],
      async ({ http }) => {
        expect((await nodes(http, "hers")).status).toBe(200);
        expect((await nodes(http, key())).status).toBe(401);
      },
    );
    expect(configured).not.toContain("admin key");
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);

test("weir serve in production makes no key", async () => {
  const open = ["--profile", "production", "--security.anonymous.allow=true", "--log", "memory"];
  const said = await served(open, async ({ http }) => {
    expect((await nodes(http, "guess")).status).toBe(401);
    const welcome = await (await fetch(http)).text();
    for (const path of ["/health", "/docs", "/dashboard"]) expect(welcome).toContain(`\n${path} `);
  });
  expect(said).not.toContain("key");
}, 30_000);

test("weir serve refuses a change after which its caller would not be admin, and weir config unset takes one back without a gateway", async () => {
  const directory = mkdtempSync(join(tmpdir(), "weir-serve-lock-out-"));
  const log = `embedded:${join(directory, "log")}`;
  const admin = `ada:admin:${keyDigest("hers")}`;
  const viewer = `vera:viewer:${keyDigest("another")}`;
  const patch = async (http: string, apiKeys: unknown) => {
    const headers = { Authorization: "Bearer hers", "Content-Type": "application/json" };
    const body = JSON.stringify({ settings: { "security.apiKeys": apiKeys } });
    const response = await fetch(`${http}/admin/config`, { method: "PATCH", headers, body });
    return { status: response.status, said: await response.text() };
  };
  const unset = (): ReturnType<typeof weir> => weir(["config", "unset", "security.apiKeys", "--log", log]);
  try {
    await (async () => {
      await using gateway = await serveWeir(["--log", log, "--security.apiKeys", admin]);
      const refused = [
        [viewer],
        [],
        [viewer, `ada:operator:${keyDigest("hers")}`],
        [`ada:admin:${keyDigest("other")}`],
      ];
      for (const keys of refused) {
        const { status, said } = await patch(gateway.http, keys);
        expect([status, said]).toEqual([
          422,
          expect.stringContaining("Nothing was changed: security: It would lock you out"),
        ]);
      }
      expect((await nodes(gateway.http, "hers")).status).toBe(200);
      expect((await nodes(gateway.http, "another")).status).toBe(401);
      expect((await patch(gateway.http, [admin, viewer])).status).toBe(200);
      expect((await nodes(gateway.http, "another")).status).toBe(200);
      const running = await unset();
      expect([running.exitCode, running.err]).toEqual([
        1,
        expect.stringContaining("is being written by another gateway"),
      ]);
    })();
    const show = async (): Promise<string | undefined> =>
      (await weir(["config", "show", "--origin", "--log", log])).out
        .split("\n")
        .find((line) => line.startsWith("security.apiKeys"));
    expect(await show()).toContain("changed by key ada");
    const taken = await unset();
    expect([taken.exitCode, taken.out]).toEqual([
      0,
      "security.apiKeys is as flags, environment and files say it from the next start on\n",
    ]);
    expect(await show()).toMatch(/ default$/);
    expect(await unset()).toMatchObject({
      exitCode: 1,
      err: "weir: security.apiKeys was not changed at run time, nothing was\n",
    });
    await using again = await serveWeir(["--log", log, "--security.apiKeys", admin]);
    expect((await nodes(again.http, "another")).status).toBe(401);
    const headers = { Authorization: "Bearer hers" };
    const audit = await (await fetch(`${again.http}/api/v1/audit`, { headers })).json();
    expect(JSON.stringify(audit)).toContain('"who":"command line"');
  } finally {
    rmSync(directory, { recursive: true });
  }
}, 60_000);
