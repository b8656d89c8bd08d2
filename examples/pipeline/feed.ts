/**
 * Publishes orders, and comes back when the log holds them.
 *
 * `npx bun examples/pipeline/feed.ts [count]`
 * @module
 */
import { connect } from "weir/client";
import { gatewayUrl, inputTopic, type Order } from "./place.ts";

const count = Number(process.argv[2] ?? 1_000);
/** Orders of several runs differ. */
const run = crypto.randomUUID().slice(0, 8);
const client = connect(gatewayUrl);
client.on("error", (error) => console.error(error.message));
for (let i = 0; i < count; i++) {
  const order: Order = { order: `${run}-${i}`, amount: (i % 90) + 10 };
  client.publish(inputTopic, order).catch((error: unknown) => {
    console.error(`Order ${order.order} failed: ${String(error)}`);
    process.exitCode = 1;
  });
  await client.writable();
}
await client.flush();
await client.close();
console.log(`${count} orders published`);
