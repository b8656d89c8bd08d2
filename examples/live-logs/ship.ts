/**
 * Runs a command and publishes each line that it prints, exactly once.
 *
 * A line is in the file store before it is sent and leaves it when the gateway has confirmed it, so neither a
 * gateway that is killed nor this process being killed loses it or stores it twice.
 *
 * `npx bun examples/live-logs/ship.ts <command> [argument …]`
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { connect } from "weir/client";
import { fileStore } from "../../src/client/file-store.ts";
import { folder, gatewayUrl, resumeWindowMs, topic } from "./place.ts";

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  console.error("Give the command to run: bun examples/live-logs/ship.ts <command> [argument …]");
  process.exit(2);
}

mkdirSync(folder, { recursive: true });
const client = connect(gatewayUrl, { store: fileStore(`${folder}/ship.store`), resumeWindowMs });
client.on("error", (error) => console.error(error.message));

const child = spawn(command, args, { stdio: ["inherit", "pipe", "inherit"] });
const ended = once(child, "close").catch((error: unknown) => {
  console.error(`Cannot run ${command}: ${String(error)}`);
  return [127];
});
// The command ends, its last lines are still published.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));

for await (const line of createInterface({ input: child.stdout })) {
  client.publish(topic, line).catch((error: unknown) => console.error(`Line "${line}" failed: ${String(error)}`));
  // While the outbox is full this reads no further, and the pipe makes the command wait.
  await client.writable();
}
await client.flush();
await client.close();
const [exitCode] = (await ended) as [number | null];
process.exitCode = exitCode ?? 1;
