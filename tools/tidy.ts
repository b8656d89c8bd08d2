/**
 * Decides whether source text keeps the house rules that no off-the-shelf linter checks here: the direction of
 * imports between rooms, where clocks, chance and the host may be touched, sizes, and names that say nothing.
 *
 * Pure: file names and texts in, violations as sentences out. test/tidy.test.ts gives it the tree, and plants a
 * violation of each rule.
 * @module
 */

/** Text by path, paths relative to the project with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

const rooms = {
  protocol: [],
  actors: ["protocol"],
  runtime: ["protocol", "actors"],
  client: ["protocol"],
  ops: ["protocol", "actors", "runtime", "client"],
} as const satisfies Record<string, readonly string[]>;
type Room = keyof typeof rooms;

const fileLinesMax = 400;
const emptyNames = new Set(["utils.ts", "util.ts", "helpers.ts", "helper.ts", "common.ts", "misc.ts", "types.ts"]);

/** Where the outside world may be touched: the implementers of runtime/ports.ts and client/ports.ts. */
const implementers = [
  /^src\/runtime\/(system|process-probe|logger)\.ts$/,
  /^src\/runtime\/(transport|log)\//,
  /^src\/client\/(platform[a-z-]*|file-store)\.ts$/,
];
const world =
  /(?<![\w.$"'-])(Date\.now|new Date\(\)|Math\.random|performance\.now|crypto\.(?:randomUUID|getRandomValues)|set(?:Timeout|Interval|Immediate)(?!\s*:)|queueMicrotask|Bun\.\w+|process\.(?:env|argv|on|exit|exitCode|cwd|pid|hrtime|memoryUsage|cpuUsage|nextTick|std\w+))(?!\w)/g;

export function roomViolations(sources: Sources): readonly string[] {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    const room = roomOf(path);
    for (const target of importsOf(path, text)) {
      if (path.startsWith("src/") && target.startsWith("test/")) violations.push(`${path} → test`);
      const targetRoom = roomOf(target);
      if (room === undefined || targetRoom === undefined || targetRoom === room) continue;
      if (!(rooms[room] as readonly string[]).includes(targetRoom)) violations.push(`${path} → ${targetRoom}`);
    }
  }
  return violations;
}

export function worldViolations(sources: Sources): readonly string[] {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    const room = roomOf(path);
    if (room === undefined || room === "ops" || implementers.some((pattern) => pattern.test(path))) continue;
    for (const match of withoutComments(text).matchAll(world)) violations.push(`${path} touches ${match[1]}`);
  }
  return violations;
}

export function sizeViolations(sources: Sources): readonly string[] {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    const lines = text.split("\n").length - 1;
    if (lines > fileLinesMax) violations.push(`${path} has ${lines} lines`);
  }
  return violations;
}

export function nameViolations(sources: Sources): readonly string[] {
  return [...sources.keys()].filter((path) => emptyNames.has(path.slice(path.lastIndexOf("/") + 1)));
}

function roomOf(path: string): Room | undefined {
  const [top, room] = path.split("/");
  return top === "src" && room !== undefined && Object.hasOwn(rooms, room) ? (room as Room) : undefined;
}

/** Relative imports of every kind (also type-only, re-exports and `import()`), as paths of the project. */
function importsOf(path: string, text: string): readonly string[] {
  const specifiers = withoutComments(text).matchAll(/(?:\bfrom|\bimport|\bimport\()\s*["'](\.[^"']+)["']/g);
  return [...specifiers].map((match) => resolve(path, match[1] as string));
}

function resolve(from: string, specifier: string): string {
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** Good enough for our own sources: a `//` inside of a string that follows a colon is an URL, not a comment. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(?<!:)\/\/.*$/gm, "");
}
