/**
 * `weir pools` and `weir pool` against a running gateway, and what the pool's journal tells afterwards.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../../../src/client/mod.ts";
import { joinPool } from "../../../src/client/pool.ts";
import { keyDigest } from "../../../src/ops/rest/access.ts";
import { serveWeir, weir } from "../../support/weir-command.ts";

test("weir pools lists pools and members, weir pool changes them, and weir inspect tells what happened", async () => {
  await using stack = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), "weir-pools-"));
  stack.defer(() => rmSync(directory, { recursive: true, force: true }));
  const key = "key-of-the-test";
  const env = { WEIR_SECURITY__API_KEYS: `test:operator:${keyDigest(key)}` };
  const gateway = stack.use(await serveWeir(["--log", `embedded:${directory}`], { env }));
  const at = ["--url", gateway.http, "--token", key];
  expect((await weir(["pools", ...at])).out).toBe("There are no pools\n");
  const made = await fetch(`${gateway.http}/api/v1/pools`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "workers", filters: ["jobs.>"] }),
  });
  expect(made.status).toBe(200);
  const client = connect(gateway.url);
  stack.defer(() => client.close());
  const member = joinPool(client, "workers", { capacity: 2, tags: ["gpu"] }, () => undefined);
  await member.ready;
  const shown = await weir(["pools", "workers", ...at]);
  expect(shown.out).toMatch(/workers +active .*leastConnections +jobs\.>/);
  const [, id = ""] = /^(\S+\/\S+) .* gpu$/m.exec(shown.out) ?? [];
  expect((await weir(["pool", "workers", "weight", id, "9", ...at])).out).toBe("Done\n");
  const json = JSON.parse((await weir(["pools", "workers", "--json", ...at])).out) as {
    members: { weight: number }[];
  }[];
  expect(json[0]?.members[0]?.weight).toBe(9);
  expect((await weir(["pool", "workers", "drain", id, ...at])).exitCode).toBe(0);
  expect(await member.ended).toBe("drained");
  const wrong = [
    await weir(["pool", "nobody", "drain", ...at]),
    await weir(["pool", "workers", "weight", "nobody", "3", ...at]),
    await weir(["pool", "workers", "remove", ...at]),
    await weir(["pool", "workers", "explode", ...at]),
  ];
  expect(wrong.map(({ exitCode }) => exitCode)).toEqual([1, 1, 2, 2]);
  expect(wrong[0]?.err).toContain("There is no pool nobody");
  expect(wrong[2]?.err).toContain("needs the id of a member");
  gateway.child.kill("SIGTERM");
  await gateway.child.exited;
  const inspected = await weir(["inspect", "pool/workers", "--log", `embedded:${directory}`]);
  expect(inspected.out).toContain("active");
  const replayed = await weir(["replay", "pool/workers", "--log", `embedded:${directory}`, "--speed", "max"]);
  for (const fact of [
    "Created by key test",
    "takes 2 at once",
    "the weight 9",
    "left (drained)",
    "let go: nodeStopping",
  ])
    expect(replayed.out).toContain(fact);
}, 60_000);
