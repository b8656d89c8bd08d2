/**
 * What npm would publish, in a folder of its own outside of the project: Node imports the SDK by its public names,
 * with the `ws` package in place of a global WebSocket.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Stage } from "../examples/stage.ts";

const root = join(import.meta.dir, "../..");
const timeoutMs = 60_000;

const app = `
import WebSocket from "ws";
import { connect } from "weir/client";
import { fileStore } from "weir/client/file-store";
import { limits } from "weir/protocol";

const client = connect(process.env.WEIR_URL, { webSocket: WebSocket, store: fileStore("place.json") });
const { seq } = await client.publish("orders.eu.42", { total: 7 });
const page = await client.history("orders.>");
await client.close();
console.log(JSON.stringify({ seq, read: page.records.map((record) => record.json()), limits: typeof limits }));
`;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.end());

function run(command: readonly string[], cwd: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd,
    env: { ...process.env, WEIR_URL: stage.gateway.url },
  });
  expect({ command, exitCode, problems: exitCode === 0 ? "" : stderr.toString() }).toEqual({
    command,
    exitCode: 0,
    problems: "",
  });
  return stdout.toString();
}

test(
  "the packed package publishes and reads from Node by its public names",
  () => {
    run([process.execPath, "tools/build.ts"], root);
    const packed = run(
      ["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", stage.folder],
      root,
    ).trim();
    const modules = join(stage.folder, "node_modules");
    mkdirSync(join(modules, "weir"), { recursive: true });
    run(["tar", "xzf", packed, "--strip-components=1", "-C", join(modules, "weir")], stage.folder);
    symlinkSync(join(root, "node_modules/ws"), join(modules, "ws"));
    writeFileSync(join(stage.folder, "app.mjs"), app);
    expect(JSON.parse(run(["node", "app.mjs"], stage.folder))).toEqual({
      seq: 1,
      read: [{ total: 7 }],
      limits: "object",
    });
  },
  timeoutMs,
);
