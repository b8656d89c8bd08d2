/**
 * Deno and Node on this machine, or why they are not there.
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

export type OtherRuntime = { readonly path: string } | { readonly missing: string };

const modules = join(import.meta.dir, "../../node_modules");

export function denoRuntime(): OtherRuntime {
  const packages = join(modules, "@deno");
  const inPackages = existsSync(packages) ? readdirSync(packages).map((name) => join(packages, name, "deno")) : [];
  const candidates = [process.env["DENO"], Bun.which("deno"), ...inPackages];
  const path = candidates.find((each) => typeof each === "string" && existsSync(each));
  return typeof path === "string" ? { path } : { missing: "no deno on PATH, in DENO or in node_modules/@deno" };
}

export function nodeRuntime(): OtherRuntime {
  const path = Bun.which("node");
  if (path === null) return { missing: "no node on PATH" };
  const version = nodeVersion(path);
  return Number.parseInt(version, 10) >= 20 ? { path } : { missing: `${path} is no Node ≥ 20 but ${version}` };
}

/** The uWebSockets.js that tests bring (DEPENDENCIES.md) loads in Node 20 alone. */
export function nodeWithUws(): OtherRuntime {
  const node = nodeRuntime();
  if ("missing" in node) return node;
  const version = nodeVersion(node.path);
  return version.startsWith("20.")
    ? node
    : { missing: `uWebSockets.js from npm needs Node 20, ${node.path} is ${version}` };
}

function nodeVersion(path: string): string {
  return Bun.spawnSync([path, "-p", "process.versions.bun ?? process.versions.node"]).stdout.toString().trim();
}

/** How Deno runs a TypeScript file of this project. */
export function denoCommand(path: string, permissions: readonly string[]): readonly string[] {
  return [path, "run", "--no-prompt", ...permissions, "--no-check", "--node-modules-dir=manual"];
}
