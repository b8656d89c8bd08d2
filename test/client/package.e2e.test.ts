/**
 * What npm would publish, in a folder of its own outside of the project: Node imports the SDK by its public names,
 * with the `ws` package in place of a global WebSocket, and runs the gateway with uWebSockets.js beside it.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Stage } from "../examples/stage.ts";
import { HostedGateway } from "../runtimes/hosted-gateway.ts";
import { nodeWithUws } from "../support/other-runtimes.ts";

const root = join(import.meta.dir, "../..");
const timeoutMs = 60_000;

const app = `
import WebSocket from "ws";
import { connect, WeirError } from "weir/client";
import { fileStore } from "weir/client/file-store";
import { requests } from "weir/client/requests";
import { limits } from "weir/protocol";

const client = connect(process.env.WEIR_URL, { webSocket: WebSocket, store: fileStore("place.json") });
const { seq } = await client.publish("orders.eu.42", { total: 7 });
const page = await client.history("orders.>");
const api = requests(client);
await api.serve("prices.*", () => 7).ready;
const price = (await api.request("prices.tea", 1)).json();
const refused = await api.request("nobody", 1).catch((error) => error instanceof WeirError && error.code);
await client.close();
console.log(JSON.stringify({ seq, read: page.records.map((record) => record.json()), limits: typeof limits, price, refused }));
`;

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.end());

const embedding = `
import { anonymousAuthenticator, createGateway, hostTransport, localBus, openMemoryLog } from "weir";
import { pinoLogger, sha256, systemClock, systemProcess, systemRandom } from "weir";

const [clock, random, probe] = [systemClock(), systemRandom(), systemProcess()];
const log = openMemoryLog({ clock, epoch: random.token(9) });
const authenticator = anonymousAuthenticator({ publish: [">"], subscribe: [">"] });
const logger = pinoLogger({ level: "silent" });
const ports = { clock, random, digest: sha256, log, bus: localBus(clock), transport: await hostTransport(), authenticator, logger, probe };
const gateway = createGateway(ports, { port: 0 });
const { port } = await gateway.start();
const health = await (await fetch("http://127.0.0.1:" + port + "/health")).json();
await gateway.stop();
await log.close();
probe.stop();
console.log(health.status);
`;

function run(command: readonly string[], cwd: string, url = stage.gateway.url): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd, env: { ...process.env, WEIR_URL: url } });
  expect({ command, exitCode, problems: exitCode === 0 ? "" : stderr.toString() }).toEqual({
    command,
    exitCode: 0,
    problems: "",
  });
  return stdout.toString();
}

/** Unpacks what npm would publish, beside what `dependencies` of the project brings. */
function install(dependencies: readonly string[]): void {
  run([process.execPath, "tools/build.ts"], root);
  const packed = run(["npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", stage.folder], root).trim();
  const modules = join(stage.folder, "node_modules");
  mkdirSync(join(modules, "weir"), { recursive: true });
  run(["tar", "xzf", packed, "--strip-components=1", "-C", join(modules, "weir")], stage.folder);
  for (const name of dependencies) symlinkSync(join(root, "node_modules", name), join(modules, name));
}

test(
  "the packed package publishes and reads from Node by its public names",
  () => {
    install(["ws"]);
    writeFileSync(join(stage.folder, "app.mjs"), app);
    expect(JSON.parse(run(["node", "app.mjs"], stage.folder))).toEqual({
      seq: 1,
      read: [{ total: 7 }],
      limits: "object",
      price: 7,
      refused: "noResponders",
    });
  },
  timeoutMs,
);

const node = nodeWithUws();
const skipped = "missing" in node ? ` (skipped: ${node.missing})` : "";

test.skipIf("missing" in node)(
  `the packed package runs its gateway on Node with uWebSockets.js, as command and embedded${skipped}`,
  async () => {
    if ("missing" in node) throw new Error(node.missing);
    install(readdirSync(join(root, "node_modules")));
    writeFileSync(join(stage.folder, "app.mjs"), app);
    writeFileSync(join(stage.folder, "embedding.mjs"), embedding);
    const command = JSON.parse(readFileSync(join(stage.folder, "node_modules/weir/package.json"), "utf8")).bin[
      "weir-node"
    ];
    const weir = [node.path, join(stage.folder, "node_modules/weir", command)];
    await using gateway = await HostedGateway.start(weir, ["--log", "memory:"], stage.folder);
    const printed = JSON.parse(run([node.path, "app.mjs"], stage.folder, gateway.url));
    expect(printed).toMatchObject({ seq: 1, read: [{ total: 7 }] });
    expect(await gateway.stop()).toBe(0);
    expect(run([node.path, "embedding.mjs"], stage.folder)).toBe("ok\n");
  },
  timeoutMs,
);
