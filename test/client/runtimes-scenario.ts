/**
 * What an SDK must do on every runtime: publish, subscribe at QoS 2 from the beginning, live through a killed
 * gateway, commit a transaction, read history. It only uses what all of them have, and tells what it saw.
 * @module
 */
import { connect, type WebSocketClass } from "../../src/client/mod.ts";

export type Scenario = {
  readonly url: string;
  readonly webSocket?: WebSocketClass;
  /** Called when the gateway is to be killed and started again. */
  readonly killNow: () => void;
};
export type Outcome = {
  /** Values in the order in which the subscriber got them. */
  readonly received: readonly number[];
  /** Numbers of the confirmed publishes. */
  readonly published: readonly number[];
  readonly history: readonly number[];
  readonly disconnects: number;
  readonly resumes: number;
  readonly transactionRecords: number;
  readonly transactionHistory: readonly string[];
  readonly errors: readonly string[];
};

export const publishes = 500;
const topic = "runtime.numbers";

export async function play({ url, webSocket, killNow }: Scenario): Promise<Outcome> {
  const client = connect(url, {
    reconnect: { minMs: 20, maxMs: 200 },
    ...(webSocket === undefined ? {} : { webSocket }),
  });
  const seen = { disconnects: 0, resumes: 0, errors: [] as string[] };
  const disconnected = new Promise<void>((resolve) => {
    client.on("disconnected", () => {
      seen.disconnects += 1;
      resolve();
    });
  });
  client.on("resumed", () => {
    seen.resumes += 1;
  });
  client.on("error", (error) => {
    seen.errors.push(error.message);
  });

  const results: Promise<{ readonly n: number }>[] = [];
  const publishUpTo = (last: number): void => {
    while (results.length < last) results.push(client.publish(topic, results.length + 1));
  };
  publishUpTo(100);
  await Promise.all(results); // The log holds them before anybody subscribes.
  const received: number[] = [];
  const complete = new Promise<void>((resolve) => {
    client.subscribe(topic, { qos: 2, start: "all" }, (record) => {
      if (received.push(record.json<number>()) === publishes) resolve();
    });
  });
  publishUpTo(250);
  await results[200];
  killNow();
  publishUpTo(400);
  await disconnected;
  publishUpTo(publishes);
  const published = (await Promise.all(results)).map(({ n }) => n);
  await complete;

  const { firstSeq, lastSeq } = await client.transaction((transaction) => {
    for (const name of ["a", "b", "c"]) transaction.publish("runtime.transaction", name);
  });
  const history: number[] = [];
  for await (const { records } of client.history(topic)) history.push(...records.map((each) => each.json<number>()));
  const { records } = await client.history("runtime.transaction");
  await client.close();
  return {
    received,
    published,
    history,
    ...seen,
    transactionRecords: lastSeq - firstSeq + 1,
    transactionHistory: records.map((record) => record.json<string>()),
  };
}
