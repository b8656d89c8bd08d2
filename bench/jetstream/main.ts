/**
 * What the log on JetStream costs beside what it is made of: `bun bench/jetstream/main.ts [seconds]`, some minutes.
 * Through the gateway: `bun bench/run.ts durable-batched --target weir-nats`.
 * @module
 */
import { freePort } from "../process.ts";
import { libraryRate, ownRate, type Rate, webSocketLines, webSocketRate } from "./publish.ts";
import { returning } from "./returning.ts";
import { serviceLatency } from "./service.ts";
import { JetStreamStage } from "./stage.ts";
import { takeover } from "./takeover.ts";
import { topicsCost } from "./topics.ts";

const seconds = Number(process.argv[2] ?? 8);
const clients = 5_000;

const show = (value: number | undefined, digits = 0): string => (value ?? Number.NaN).toFixed(digits);
const row = (...cells: readonly string[]): void => console.log(`| ${cells.join(" | ")} |`);
const rateRow = (title: string, { perSecond, clientUs, storeUs }: Rate): void =>
  row(title, show(perSecond), show(clientUs, 1), show(storeUs, 1));

async function publishing(): Promise<void> {
  const port = freePort();
  await using stage = await JetStreamStage.start(webSocketLines(port));
  console.log(`\nnats-server ${stage.store.version}, one server, file, 200 B with a message id, 2 000 under way\n`);
  row("publisher", "stored/s", "client µs CPU", "nats-server µs CPU");
  row("---", "---:", "---:", "---:");
  rateRow("the library's `js.publish`", await libraryRate(stage, seconds));
  rateRow("the log's own publisher", await ownRate(stage, seconds));
  rateRow("NATS' WebSocket listener, `js.publish` and an ordered consumer", await webSocketRate(stage, port, seconds));
}

async function service(): Promise<void> {
  await using stage = await JetStreamStage.start();
  const { perSecond, received, p50, p99, max } = await serviceLatency(stage, 5_000, seconds);
  console.log(
    `\nService → client at ${perSecond}/s: p50 ${show(p50, 2)} ms, p99 ${show(p99, 2)} ms, max ${show(max, 1)} ms (${received} records)`,
  );
}

async function takeovers(): Promise<void> {
  await using stage = await JetStreamStage.start();
  const { one, p50, p99, togetherP50, togetherP99, allMs } = await takeover(stage, clients, 200);
  console.log(`\nTakeover after kill -9, one after the other (${one}): p50 ${show(p50, 1)} ms, p99 ${show(p99, 1)} ms`);
  console.log(
    `${clients} together: p50 ${show(togetherP50)} ms, p99 ${show(togetherP99)} ms, all after ${show(allMs)} ms`,
  );
}

async function returns(): Promise<void> {
  console.log(
    "\nSessions with 5 of 1 000 topics each, all back at once, beyond the ring of recent records and within it\n",
  );
  row(
    "sessions",
    "missed each",
    "whole",
    "p50 ms",
    "p99 ms",
    "all ms",
    "gateway µs CPU/record",
    "nats-server µs CPU/record",
  );
  row("---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:");
  for (const missed of [100_000, 10_000]) {
    await using stage = await JetStreamStage.start();
    const { missedEach, whole, p50, p99, allMs, deliveries, serverUs, storeUs } = await returning(stage, {
      ...{ sessions: clients, topicsEach: 5, topics: 1_000, missed },
    });
    const times = [p50, p99, allMs].map((ms) => show(ms));
    row(
      show(clients),
      show(missedEach),
      show(whole),
      ...times,
      ...[serverUs, storeUs].map((us) => show(us / deliveries, 1)),
    );
  }
}

async function topics(): Promise<void> {
  await using stage = await JetStreamStage.start();
  console.log("\n200 000 records over so many topics\n");
  row("topics", "stored/s", "nats-server RSS, MB more");
  row("---:", "---:", "---:");
  for (const count of [1_000, 10_000, 100_000]) {
    const { perSecond, grownMb } = await topicsCost(stage, count);
    row(String(count), show(perSecond), show(grownMb));
  }
}

const parts = { publishing, service, takeovers, returns, topics };
const asked = process.argv[3]?.split(",") ?? Object.keys(parts);
for (const name of asked) await parts[name as keyof typeof parts]();
process.exit(0);
