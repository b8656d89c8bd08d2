/**
 * Starts Weir's commands on a machine that has only Node and npm: brings what package-lock.json names, finds
 * the Bun binary that came with it, builds the SDK for Node, and hands over to Bun.
 *
 * Plain Node without dependencies, because it runs before anything is installed. Works when npm runs no install
 * scripts: Bun's own postinstall only moves a binary that is there already.
 * The stamp in node_modules makes every later run cost one small file read.
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const nodeMajorMin = 20;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stampPath = join(modules, ".weir-installed");
const main = join(root, "src/ops/cli/main.ts");
const buildScript = join(root, "tools/build.ts");

/** What each npm script runs. Development commands run in the project, `weir` runs where it was called. */
const commands = {
  start: { args: [main, "serve", "--profile", "development"] },
  weir: { args: [main] },
  test: { args: [join(root, "tools/test.ts")], cwd: root },
  check: { args: [join(root, "tools/check.ts")], cwd: root },
  sim: { args: [join(root, "test/sim/main.ts")], cwd: root },
  build: { args: [buildScript], cwd: root },
};

class LaunchError extends Error {}

/** Runs the command and ends this process as it ended. */
export function launch(name, args) {
  try {
    const command = commands[name];
    if (command === undefined) {
      throw new LaunchError(`Unknown command "${name}", expected one of: ${Object.keys(commands).join(", ")}`);
    }
    if (Number.parseInt(process.versions.node, 10) < nodeMajorMin) {
      throw new LaunchError(`Node ${process.versions.node} is too old, Weir needs Node ${nodeMajorMin} or newer`);
    }
    handOver(findBun(), [...command.args, ...args], command.cwd);
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    console.error(`weir: ${error.message}`);
    process.exitCode = 1;
  }
}

/** Path of a Bun that runs here, with everything installed that it will import. */
function findBun() {
  const lockPath = join(root, "package-lock.json");
  // Without a lockfile this is an installed package: whoever installed it brought the dependencies.
  if (!existsSync(lockPath)) return runnableBun();
  const lockText = readFileSync(lockPath);
  const lock = createHash("sha256").update(lockText).digest("hex");
  const stamp = readJson(stampPath);
  if (stamp?.lock === lock && existsSync(stamp.bun) && existsSync(join(root, "dist"))) return stamp.bun;
  if (!holdsAll(JSON.parse(lockText.toString()))) install();
  const bun = runnableBun();
  build(bun);
  writeFileSync(stampPath, `${JSON.stringify({ lock, bun })}\n`);
  return bun;
}

/** True when node_modules, as npm itself recorded it at the end of an install, holds what the lockfile names. */
function holdsAll(lock) {
  const held = readJson(join(modules, ".package-lock.json"))?.packages;
  if (held === undefined) return false;
  return Object.entries(lock.packages).every(
    ([path, wanted]) => path === "" || wanted.optional === true || held[path]?.version === wanted.version,
  );
}

function install() {
  const bunOnly = process.versions.bun !== undefined;
  const [tool, args] = bunOnly
    ? [process.execPath, ["install", "--no-save"]]
    : ["npm", ["ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"]];
  console.error("weir: installing the dependencies (once)");
  // On stderr, so that what a command prints stays clean. The shell is for npm.cmd on Windows.
  const options = { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" };
  const { status, error } = spawnSync(tool, args, options);
  if (error !== undefined) throw new LaunchError(`Cannot run ${tool}: ${error.message}`);
  if (status !== 0) throw new LaunchError(`\`${tool} ${args.join(" ")}\` failed with exit code ${status}, see above`);
}

/** The SDK as JavaScript: Node programs beside this checkout import it from dist/. */
function build(bun) {
  const { status } = spawnSync(bun, [buildScript], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new LaunchError(`Building the SDK failed with exit code ${status}, see above`);
}

/** The first Bun that answers: a build for another libc or processor is found here, not in the middle of a run. */
function runnableBun() {
  const found = bunCandidates();
  const bun = found.find((path) => spawnSync(path, ["--version"], { stdio: "ignore" }).status === 0);
  if (bun !== undefined) return bun;
  const tried = found.length === 0 ? "no binary was found" : `none of these runs: ${found.join(", ")}`;
  throw new LaunchError(
    `Bun is missing for ${process.platform} ${process.arch}: ${tried}. Install with optional dependencies, or put bun on PATH`,
  );
}

function bunCandidates() {
  const binary = process.platform === "win32" ? "bun.exe" : "bun";
  const candidates = [];
  const packageDir = resolveBunPackage();
  if (packageDir !== undefined) {
    const placed = join(packageDir, "bin", "bun.exe");
    // Until its postinstall has run this is a small text file that says so.
    if (existsSync(placed) && statSync(placed).size > 1_000_000) candidates.push(placed);
    const builds = join(packageDir, "..", "@oven");
    for (const name of existsSync(builds) ? readdirSync(builds).sort() : []) {
      const path = join(builds, name, "bin", binary);
      if (existsSync(path)) candidates.push(path);
    }
  }
  if (process.versions.bun !== undefined) candidates.push(process.execPath);
  const onPath = (process.env.PATH ?? "").split(process.platform === "win32" ? ";" : ":");
  // npm puts node_modules/.bin first, whose bun is the placeholder from above.
  const elsewhere = onPath.filter((dir) => dir !== "" && !dir.includes(`node_modules${sep}.bin`));
  return [...candidates, ...elsewhere.map((dir) => join(dir, binary)).filter((path) => existsSync(path))];
}

function resolveBunPackage() {
  try {
    return dirname(createRequire(pathToFileURL(join(root, "package.json"))).resolve("bun/package.json"));
  } catch {
    return undefined;
  }
}

function handOver(bun, args, cwd) {
  const child = spawn(bun, args, { stdio: "inherit", ...(cwd === undefined ? {} : { cwd }) });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`weir: cannot start ${bun}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined; // missing or half written: the same as not installed
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [name = "start", ...args] = process.argv.slice(2);
  launch(name, args);
}
