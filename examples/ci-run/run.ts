/**
 * Runs a pipeline of commands and publishes what happens while it happens, over plain HTTP: `log_entry` for each line
 * that a step prints, `step_progress` after each step, `execution_status` when it begins and ends.
 *
 * Needs nothing of Weir but its address and a key. Each publish carries an idempotency key, so one whose answer was
 * lost is sent again and stored once; they leave in order, many lines in one request.
 *
 * `npx bun examples/ci-run/run.ts <id> '<command>' ['<command>' …]`
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { adminKey, gatewayUrl } from "./place.ts";

const [id, ...steps] = process.argv.slice(2);
if (id === undefined || steps.length === 0) {
  console.error("Give an id and the steps: bun examples/ci-run/run.ts 42 'npm ci' 'npm test'");
  process.exit(2);
}

type Message = { readonly type: string; readonly data: object; readonly timestamp: string };

const topic = `execution.${id}`;
const runId = crypto.randomUUID();
const batchMax = 500;
const retryMs = 200;
const waiting: Message[] = [];
let batches = 0;
let sending: Promise<void> | undefined;

function tell(type: string, data: object): void {
  waiting.push({ type, data, timestamp: new Date().toISOString() });
  sending ??= send().finally(() => {
    sending = undefined;
  });
}

async function send(): Promise<void> {
  while (waiting.length > 0) {
    const records = waiting.splice(0, batchMax).map((payload) => ({ topic, payload }));
    const headers = {
      Authorization: `Bearer ${adminKey()}`,
      "Content-Type": "application/json",
      "Idempotency-Key": `${runId}/${++batches}`,
    };
    await untilStored({ method: "POST", headers, body: JSON.stringify({ records }) });
  }
}

/** A gateway that is away, or whose answer was lost, is asked again with the same key. */
async function untilStored(request: RequestInit): Promise<void> {
  for (;;) {
    const response = await fetch(`${gatewayUrl}/api/v1/publish`, request).catch(() => undefined);
    if (response?.ok === true) return;
    if (response !== undefined && response.status < 500) throw new Error(`Not published: ${await response.text()}`);
    await new Promise((wake) => setTimeout(wake, retryMs));
  }
}

async function run(step: string, number: number): Promise<number> {
  const child = spawn(step, { shell: true, stdio: ["ignore", "pipe", "pipe"] });
  const follow = async (stream: "stdout" | "stderr"): Promise<void> => {
    for await (const line of createInterface({ input: child[stream] }))
      tell("log_entry", { step: number, stream, line });
  };
  const [[code]] = await Promise.all([once(child, "close"), follow("stdout"), follow("stderr")]);
  return (code as number | null) ?? 1;
}

let status: "succeeded" | "failed" = "succeeded";
tell("execution_status", { status: "running", steps });
for (const [index, step] of steps.entries()) {
  const exitCode = await run(step, index + 1);
  tell("step_progress", { step: index + 1, of: steps.length, exitCode });
  if (exitCode !== 0) {
    status = "failed";
    break;
  }
}
tell("execution_status", { status });
await sending;
process.exitCode = status === "succeeded" ? 0 : 1;
