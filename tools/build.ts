/**
 * Builds plain JavaScript into dist/: for Node, which reads no TypeScript in node_modules, and for anybody without a
 * bundler. Each entry is one file. Those of the SDK import nothing but `node:` modules, those of the server
 * also the packages that package.json names. Bun reads the sources instead.
 *
 * `bun tools/build.ts`; the launcher runs it at set-up, npm before it packs.
 * @module
 */
import { join } from "node:path";
import { buildDashboard } from "../src/ops/dashboard/build.ts";

const root = join(import.meta.dir, "..");

const entries = [
  { source: "src/client/mod.ts", name: "client.js", target: "browser" },
  { source: "src/client/file-store.ts", name: "file-store.js", target: "node" },
  { source: "src/client/requests.ts", name: "requests.js", target: "browser" },
  { source: "src/client/pool.ts", name: "pool.js", target: "browser" },
  { source: "src/client/presence.ts", name: "presence.js", target: "browser" },
  { source: "src/protocol/mod.ts", name: "protocol.js", target: "browser" },
  { source: "src/runtime/mod.ts", name: "server.js", target: "node", packages: "external" },
  {
    source: "src/ops/cli/main.ts",
    name: "weir.js",
    target: "node",
    packages: "external",
    banner: "#!/usr/bin/env node",
  },
] as const;

for (const { source, name, ...options } of entries) {
  await Bun.build({
    entrypoints: [join(root, source)],
    outdir: join(root, "dist"),
    naming: name,
    format: "esm",
    ...options,
  });
}

for (const [name, bytes] of await buildDashboard()) await Bun.write(join(root, "dist/dashboard", name), bytes);
