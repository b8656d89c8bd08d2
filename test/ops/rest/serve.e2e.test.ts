/** REST of `weir serve`: which key it makes, when it tells it, and what it does without one. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { startWeir } from "../../support/weir-command.ts";

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
  const said = await served(open, async ({ http }) => expect((await nodes(http, "guess")).status).toBe(401));
  expect(said).not.toContain("key");
}, 30_000);
