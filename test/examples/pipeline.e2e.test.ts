/**
 * The pipeline example as its README plays it: worker and gateway are killed at moments that hit transactions.
 */
import { afterEach, expect, test } from "bun:test";
import { inputTopic, outputTopic } from "../../examples/pipeline/place.ts";
import { Stage, until } from "./stage.ts";

const orders = 400;
let stage: Stage;
afterEach(() => stage.end());

async function verify(): Promise<{ readonly text: string; readonly exitCode: number }> {
  const child = stage.run("pipeline/verify.ts");
  const text = await new Response(child.stdout).text();
  return { text, exitCode: await child.exited };
}

test("pipeline: each order has exactly one invoice though worker and gateway are killed with -9", async () => {
  stage = await Stage.open();
  let worker = stage.run("pipeline/worker.ts");
  const invoices = new Set<string>();
  const client = stage.client();
  client.subscribe(outputTopic, { start: "all" }, (record) => void invoices.add(record.id));
  const feed = stage.run("pipeline/feed.ts", [String(orders)]);
  // Not a time but progress: the worker is in the middle of its work, in another place of it each time.
  for (const progress of [1, 37, 90, 160, 221, 300]) {
    await until(
      `${progress} invoices`,
      () => invoices.size,
      (size) => size >= progress,
    );
    await stage.kill(worker);
    if (progress === 160) await stage.restartGateway();
    worker = stage.run("pipeline/worker.ts");
  }
  expect(await feed.exited).toBe(0);
  await until(
    `${orders} invoices`,
    () => invoices.size,
    (size) => size >= orders,
  );
  const { text, exitCode } = await verify();
  expect(text).toContain(`${orders} orders, ${orders} invoices`);
  expect(text).toContain("Every order has exactly one invoice");
  expect(exitCode).toBe(0);
}, 60_000);

test("pipeline: the verifier sees an order without invoice, one with two, and an invoice for nothing", async () => {
  stage = await Stage.open();
  const client = stage.client();
  for (const order of ["a", "b", "c"]) await client.publish(inputTopic, { order, amount: 1 });
  for (const order of ["a", "b", "b", "x"]) await client.publish(outputTopic, { order, total: 1 });
  const { text, exitCode } = await verify();
  expect(text).toContain("without invoice: 1 · with more than one: 1 · invoice without order: 1");
  expect(exitCode).toBe(1);
}, 30_000);
