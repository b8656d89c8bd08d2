/**
 * Runs tests one after the other on a runtime that has no bun:test: `describe` and `test` collect, `runCollected`
 * plays. A test that takes too long has failed.
 * @module
 */
type Run = () => unknown;
type Suite = { readonly title: string; readonly before: Run[]; readonly after: Run[] };
type Collected = { readonly title: string; readonly suites: readonly Suite[]; readonly run: Run };

const testMsMax = 20_000;
const collected: Collected[] = [];
let suites: readonly Suite[] = [];

export function describe(title: string, define: () => void): void {
  const outer = suites;
  suites = [...outer, { title, before: [], after: [] }];
  define();
  suites = outer;
}

function collect(title: string, run: Run): void {
  collected.push({ title: [...suites.map((suite) => suite.title), title].join(" > "), suites, run });
}
const skip = (title: string): void => console.log(`ok ${title} # SKIP`);
export const test = Object.assign(collect, { skipIf: (skipped: boolean) => (skipped ? skip : collect) });

export function beforeEach(run: Run): void {
  suites.at(-1)?.before.push(run);
}

export function afterEach(run: Run): void {
  suites.at(-1)?.after.push(run);
}

/** Prints a line for each test; how many failed, of how many. */
export async function runCollected(): Promise<{ readonly run: number; readonly failed: number }> {
  let failed = 0;
  for (const each of collected) {
    try {
      await inTime(() => play(each));
      console.log(`ok ${each.title}`);
    } catch (error) {
      failed += 1;
      console.log(`not ok ${each.title}\n${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  return { run: collected.length, failed };
}

async function play({ suites: around, run }: Collected): Promise<void> {
  for (const suite of around) for (const before of suite.before) await before();
  try {
    await run();
  } finally {
    for (const suite of around.toReversed()) for (const after of suite.after) await after();
  }
}

async function inTime(run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Took longer than ${testMsMax} ms`)), testMsMax);
  });
  try {
    await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}
