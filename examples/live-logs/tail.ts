/**
 * Follows the log into a file, from its first line. Kill it when you like: started again it goes on with the line
 * after the last one in the file.
 *
 * Each line is written together with its position in one append, so that no crash comes between the two.
 *
 * `npx bun examples/live-logs/tail.ts`
 * @module
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from "node:fs";
import { connect, type ProcessedPosition } from "weir/client";
import { fileStore } from "../../src/client/file-store.ts";
import { folder, gatewayUrl, resumeWindowMs, topic } from "./place.ts";

type Entry = { readonly line: string; readonly position: ProcessedPosition };

const file = `${folder}/tail.jsonl`;

/** The last position in the file. A line that a kill cut off was never processed: it is cut away. */
function lastPosition(): readonly ProcessedPosition[] {
  if (!existsSync(file)) return [];
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf("\n") + 1;
  truncateSync(file, end);
  const last = bytes.subarray(0, end).toString().trimEnd().split("\n").at(-1);
  return last === undefined || last === "" ? [] : [(JSON.parse(last) as Entry).position];
}

mkdirSync(folder, { recursive: true });
const processed = lastPosition();
const client = connect(gatewayUrl, { store: fileStore(`${folder}/tail.store`), resumeWindowMs });
client.on("error", (error) => console.error(error.message));
client.subscribe(topic, { qos: 2, start: "all", processed }, (record) => {
  const { position } = record;
  const line = record.json<string>();
  try {
    appendFileSync(file, `${JSON.stringify({ line, position } satisfies Entry)}\n`);
  } catch (error) {
    // A handler that throws would have this line come again after others: the file must keep the log's order.
    console.error(`Cannot write ${file}: ${String(error)}`);
    process.exit(1);
  }
  console.log(line);
});
