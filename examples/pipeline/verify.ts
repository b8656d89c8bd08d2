/**
 * Counts: reads both topics from the log and says how many invoices each order has. Ends with 1 unless every order
 * has exactly one.
 *
 * `npx bun examples/pipeline/verify.ts`
 * @module
 */
import { connect } from "weir/client";
import { gatewayUrl, type Invoice, inputTopic, type Order, outputTopic } from "./place.ts";

const client = connect(gatewayUrl, { resumeWindowMs: 0 });
client.on("error", (error) => console.error(error.message));

async function ordersOn(topic: string): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { records } of client.history(topic, { limit: 1_000 }))
    for (const record of records) found.push(record.json<Order | Invoice>().order);
  return found;
}

const orders = await ordersOn(inputTopic);
const invoices = await ordersOn(outputTopic);
await client.close();

const invoicesOf = new Map(orders.map((order) => [order, 0]));
let foreign = 0;
for (const order of invoices) {
  const count = invoicesOf.get(order);
  if (count === undefined) foreign += 1;
  else invoicesOf.set(order, count + 1);
}
const counts = [...invoicesOf.values()];
const missing = counts.filter((count) => count === 0).length;
const repeated = counts.filter((count) => count > 1).length;
const exact = missing === 0 && repeated === 0 && foreign === 0;
console.log(`${orders.length} orders, ${invoices.length} invoices`);
console.log(`without invoice: ${missing} · with more than one: ${repeated} · invoice without order: ${foreign}`);
console.log(exact ? "Every order has exactly one invoice" : "NOT exactly one invoice per order");
process.exitCode = exact ? 0 : 1;
