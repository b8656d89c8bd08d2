/**
 * Measures the embedded log alone: appends in groups of several sizes, following, sparse reads, memory.
 * Run: bun bench/log.ts [directory]
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedLog } from "../src/runtime/log/embedded/mod.ts";
import type { NewRecord } from "../src/runtime/log/event-log.ts";
import { systemClock, systemRandom } from "../src/runtime/system.ts";

const directory = process.argv[2] ?? mkdtempSync(join(tmpdir(), "weir-log-"));
const log = await openEmbeddedLog(directory, { clock: systemClock(), random: systemRandom() });
const payload = new Uint8Array(200).fill(7);
const producers = 32;
const numbers = new Array<number>(producers).fill(0);
const topics = Array.from({ length: 64 }, (_, i) => `orders.eu.${i}`);
let made = 0;

function record(session: number, number: number): NewRecord {
  return {
    topic: topics[made++ % topics.length] as string,
    id: `session-of-22-characters-${session}/${number}`,
    lane: 2,
    payload,
  };
}

/** One request of `size` records, numbered. */
function append(size: number): Promise<unknown> {
  const session = made % producers;
  const after = numbers[session] as number;
  const records: NewRecord[] = [];
  const taken: number[] = [];
  for (let i = 1; i <= size; i++) {
    records.push(record(session, after + i));
    taken.push(after + i);
  }
  numbers[session] = after + size;
  return log.append({ records, numbered: { producer: `session-of-22-characters-${session}`, after, numbers: taken } });
}

async function measure(name: string, count: number, run: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await run();
  const ms = performance.now() - begin;
  const used = process.cpuUsage(cpu);
  const micros = (used.user + used.system) / count;
  console.log(
    `${name.padEnd(44)} ${Math.round((count / ms) * 1000)
      .toLocaleString("en")
      .padStart(10)}/s ${micros.toFixed(2).padStart(8)} µs CPU each`,
  );
}

async function groups(count: number, requests: number, size: number): Promise<void> {
  for (let done = 0; done < count; done += requests * size) {
    await Promise.all(Array.from({ length: requests }, () => append(size)));
  }
}

await groups(20_000, 1, 1_000);
await measure("append, groups of 1", 2_000, () => groups(2_000, 1, 1));
await measure("append, groups of 50, one request", 50_000, () => groups(50_000, 1, 50));
await measure("append, groups of 50, 50 requests", 50_000, () => groups(50_000, 50, 1));
await measure("append, groups of 1000, one request", 500_000, () => groups(500_000, 1, 1_000));
await measure("append, groups of 1000, 20 requests", 500_000, () => groups(500_000, 20, 50));
await measure("append, groups of 1000, 1000 requests", 300_000, () => groups(300_000, 1_000, 1));
let followed = 0;
const follow = log.follow(log.info().lastSeq, (records) => {
  followed += records.length;
});
await measure("the same with one follower", 300_000, () => groups(300_000, 1_000, 1));
follow.stop();
console.log(`followed live: ${followed}`);
const held = log.info().records;
await measure("follow from the beginning", held, async () => {
  let seen = 0;
  await new Promise<void>((resolve) => {
    const past = log.follow(0, (records) => {
      seen += records.length;
      if (seen < held) return;
      past.stop();
      resolve();
    });
  });
});
for (let i = 0; i < 1_000; i++) {
  const rare = { ...record(0, 0), topic: "rare.topic", id: `rare-${i}` };
  await Promise.all([log.append({ records: [rare] }), append(100)]);
}
await measure("read a topic that 1 in 100 has, pages of 100", 10_000, async () => {
  for (let turn = 0; turn < 10; turn++) {
    for (let after = log.info().lastSeq - 105_000, done = false; !done; ) {
      const page = await log.read({ filter: "rare.*", after, recordsMax: 100, bytesMax: 1_000_000 });
      after = page.scannedTo;
      done = page.done;
    }
  }
});
await measure("read one topic of 64 from the past, pages of 512", held / 64, async () => {
  for (let after = 0, done = false; !done; ) {
    const page = await log.read({ filter: "orders.eu.7", after, recordsMax: 512, bytesMax: 1_000_000 });
    after = page.scannedTo;
    done = page.done;
  }
});
const begin = performance.now();
const trimmed = await log.trim({ ageMs: 0, bytes: 0, records: 1_000 });
console.log(`trimmed ${trimmed} records in ${Math.round(performance.now() - begin)} ms`);
const status = readFileSync("/proc/self/status", "utf8");
const resident = (kind: string): number =>
  Math.round(Number(new RegExp(`${kind}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
console.log(
  `memory: ${resident("RssAnon")} MiB of its own, ${resident("RssFile")} MiB of mapped file (page cache), ${held} records of 200 B written`,
);
await log.close();
if (process.argv[2] === undefined) rmSync(directory, { recursive: true });
