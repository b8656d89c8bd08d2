/**
 * A client process that is itself killed: it publishes, and it subscribes at QoS 2 with a file store, keeping its
 * positions beside its data (one line a fact, read again at the next start).
 *
 * `bun child.ts <url>[,<url>…] <folder> <name>`
 * @module
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileStore } from "../../src/client/file-store.ts";
import { connect } from "../../src/client/mod.ts";
import type { ProcessedPosition } from "../../src/client/options.ts";
import { keyOf, payloadFor } from "../sim/evidence.ts";

export type ChildFact =
  | { readonly type: "called" | "acknowledged"; readonly key: string }
  | {
      readonly type: "processed";
      readonly seq: number;
      readonly topic: string;
      readonly lane: 0 | 1 | 2 | 3;
      readonly epoch: string;
      readonly key: string;
    };

export const childTopic = "t.child";
export const childFilter = "t.>";
const periodMs = 15;

export function childFacts(folder: string): ChildFact[] {
  const path = join(folder, "facts");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  // Without its end of line a last line was cut off by the kill: it never happened.
  return lines.slice(0, -1).flatMap((line) => (line.endsWith("}") ? [JSON.parse(line) as ChildFact] : []));
}

function ownPositions(facts: readonly ChildFact[]): ProcessedPosition[] {
  const positions = new Map<number, ProcessedPosition>();
  for (const fact of facts) {
    if (fact.type === "processed") positions.set(fact.lane, { epoch: fact.epoch, lane: fact.lane, seq: fact.seq });
  }
  return [...positions.values()];
}

async function main([urls = "", folder = "", name = ""]: readonly string[]): Promise<void> {
  const facts = childFacts(folder);
  const write = (fact: ChildFact): void => appendFileSync(join(folder, "facts"), `${JSON.stringify(fact)}\n`);
  const client = connect(urls.split(","), {
    store: fileStore(join(folder, "store")),
    reconnect: { minMs: 20, maxMs: 500 },
  });
  client.subscribe(childFilter, { qos: 2, start: "all", processed: ownPositions(facts) }, (record) => {
    const { seq, topic, lane, payload, position } = record;
    write({ type: "processed", seq, topic, lane, epoch: position.epoch, key: keyOf(payload) });
  });
  let stopping = false;
  process.once("SIGTERM", () => {
    stopping = true;
  });
  for (let count = facts.length + 1; !stopping; count++) {
    const key = `${name}-${count}`;
    write({ type: "called", key });
    void client.publish(childTopic, payloadFor(key, 40)).then(() => write({ type: "acknowledged", key }));
    await Bun.sleep(periodMs);
  }
  await client.flush();
  // Stays to receive what is still to come, until it is killed.
  await new Promise(() => setInterval(() => undefined, 1_000));
}

if (import.meta.main) await main(process.argv.slice(2));
