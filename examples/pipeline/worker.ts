/**
 * Turns each order into one invoice. Kill it at any moment, with `kill -9` too: started again it goes on, and every
 * order has exactly one invoice.
 *
 * The invoice and the acknowledgement of its order are one atomic append to the log: either both happened or neither.
 *
 * `npx bun examples/pipeline/worker.ts`
 * @module
 */
import { mkdirSync } from "node:fs";
import { connect } from "weir/client";
import { fileStore } from "../../src/client/file-store.ts";
import { folder, gatewayUrl, type Invoice, inputTopic, type Order, outputTopic, resumeWindowMs } from "./place.ts";

mkdirSync(folder, { recursive: true });
const client = connect(gatewayUrl, { store: fileStore(`${folder}/worker.store`), resumeWindowMs });
client.on("error", (error) => console.error(error.message));

let done = 0;
client.subscribe(inputTopic, { qos: 2, start: "all", autoAck: false }, async (record) => {
  const { order, amount } = record.json<Order>();
  const invoice: Invoice = { order, total: Math.round(amount * 119) / 100 };
  await client.transaction((transaction) => {
    transaction.publish(outputTopic, invoice);
    transaction.ack(record);
  });
  done += 1;
  if (done % 100 === 0) console.log(`${done} invoices since the start`);
});
console.log(`Process ${process.pid} works; try: kill -9 ${process.pid}`);
