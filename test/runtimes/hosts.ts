/**
 * The runtimes that a gateway runs on: how each starts the gateway, and how each runs a script of these tests.
 * @module
 */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { denoCommand, denoRuntime, nodeWithUws } from "../support/other-runtimes.ts";

export const root: string = join(import.meta.dir, "../..");
const main = join(root, "src/ops/cli/main.ts");

/** All that a gateway needs; documented. */
export const denoPermissions: readonly string[] = ["net", "env", "read", "write", "sys", "ffi"].map(
  (name) => `--allow-${name}`,
);

export type Host = {
  readonly name: "Bun" | "Deno" | "Node";
  /** Why its tests are skipped on this machine. */
  readonly missing?: string;
  /** The `weir` command. */
  weir(): Promise<readonly string[]>;
  /** A TypeScript file beside this one; `folder` is for what has to be made of it. */
  script(file: string, folder: string): Promise<readonly string[]>;
};

const bun: Host = {
  name: "Bun",
  weir: async () => [process.execPath, main],
  script: async (file) => [process.execPath, join(import.meta.dir, file)],
};

function deno(): Host {
  const found = denoRuntime();
  const command = (permissions: readonly string[]): readonly string[] =>
    "path" in found ? denoCommand(found.path, permissions) : [];
  return {
    name: "Deno",
    ...("missing" in found ? { missing: found.missing } : {}),
    weir: async () => [...command(denoPermissions), main],
    script: async (file) => [...command(["--allow-all"]), join(import.meta.dir, file)],
  };
}

function node(): Host {
  const found = nodeWithUws();
  const path = "path" in found ? found.path : "";
  return {
    name: "Node",
    ...("missing" in found ? { missing: found.missing } : {}),
    async weir() {
      await builtServer();
      return [path, join(root, "dist/weir.js")];
    },
    script: async (file, folder) => [path, await bundled(file, folder)],
  };
}

export const others: readonly Host[] = [deno(), node()];
export const hosts: readonly Host[] = [bun, ...others];

let built: Promise<void> | undefined;

/** dist/ is of these sources. */
export function builtServer(): Promise<void> {
  built ??= (async () => {
    const build = Bun.spawn([process.execPath, "tools/build.ts"], { cwd: root, stderr: "inherit" });
    if ((await build.exited) !== 0) throw new Error("tools/build.ts failed");
  })();
  return built;
}

/** Node 20 reads no TypeScript. Packages are found through a link, as if the file lay in the project. */
async function bundled(file: string, folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const entrypoints = [join(import.meta.dir, file)];
  await Bun.build({ entrypoints, outdir: folder, naming: "script.mjs", target: "node", packages: "external" });
  return join(folder, "script.mjs");
}
