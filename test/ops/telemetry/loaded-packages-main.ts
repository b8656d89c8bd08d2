/**
 * Runs a gateway until it has published its first record, and says which packages of OpenTelemetry it has loaded.
 * @module
 */
import { loadConfig } from "../../../src/ops/config/load.ts";
import { serve } from "../../../src/ops/serve.ts";

const [endpoint] = process.argv.slice(2);
const flags = {
  log: "memory",
  port: "0",
  "log-level": "silent",
  ...(endpoint === undefined ? {} : { "monitoring.tracing.endpoint": endpoint }),
};
const sources = { flags, env: {}, readFile: () => "" };
const loaded = loadConfig(sources);
if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));

const said = Promise.withResolvers<string>();
console.log = (text: string) => said.resolve(text);
const ended = serve({ sources, loaded });
const url = /http:\/\/[\d.:]+/.exec(await said.promise)?.[0];
await (await fetch(`${url}/metrics`)).text();
// On Bun it holds ES modules, too.
const names = Object.keys(require.cache).flatMap((path) => /@opentelemetry\/([^/]+)\//.exec(path)?.[1] ?? []);
process.stdout.write(JSON.stringify([...new Set(names)].sort()));
process.kill(process.pid, "SIGTERM");
await ended;
