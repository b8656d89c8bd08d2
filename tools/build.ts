/**
 * Builds the SDK as plain JavaScript into dist/: for Node, which reads no TypeScript in node_modules, and for anybody
 * without a bundler. Each entry is one file that imports nothing but `node:` modules. Bun reads the sources instead.
 *
 * `bun tools/build.ts`; the launcher runs it at set-up, npm before it packs.
 * @module
 */
import { join } from "node:path";

const root = join(import.meta.dir, "..");

const entries = [
  { source: "src/client/mod.ts", name: "client.js", target: "browser" },
  { source: "src/client/file-store.ts", name: "file-store.js", target: "node" },
  { source: "src/protocol/mod.ts", name: "protocol.js", target: "browser" },
] as const;

for (const { source, name, target } of entries) {
  await Bun.build({
    entrypoints: [join(root, source)],
    outdir: join(root, "dist"),
    naming: name,
    target,
    format: "esm",
  });
}
