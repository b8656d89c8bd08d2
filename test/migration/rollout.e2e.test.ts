/**
 * `weir rollout` on four gateway processes: the clients of two move to two others in stages; where those do worse, all
 * are taken back without anybody's help. Nothing is lost on the way.
 */
import { expect, test } from "bun:test";
import { connect } from "../../src/client/mod.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { Crowd, judge } from "./crowd.ts";
import { apiKey, type Stage, startStage } from "./stage.ts";

const clients = 40;
const kept = { missing: 0, duplicates: 0, holes: 0, sessionsLost: 0, unacknowledged: 0 };
const waitMs = 30_000;

async function rollOut(stage: Stage) {
  const main = `${import.meta.dir}/../../src/ops/cli/main.ts`;
  const from = ["--from", "g0,g1", "--to", "g2,g3", "--url", stage.gateways[0]?.http ?? ""];
  // What a busy machine does to latency is not what is judged here.
  const limits = ["--watch", "1", "--latency-ms", "60000"];
  const command = Bun.spawn([process.execPath, main, "rollout", ...from, ...limits], {
    env: { ...process.env, WEIR_TOKEN: apiKey },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = (await new Response(command.stdout).text()).trim().split("\n");
  return { said, code: await command.exited };
}

/** Clients know the old gateways alone. */
async function crowdOn(stage: Stage) {
  const crowd = new Crowd({ urls: stage.urls.slice(0, 2), first: 0, clients, topics: 4, publishesPerSecond: 5 });
  await crowd.open();
  crowd.publish();
  return Object.assign(crowd, { [Symbol.asyncDispose]: () => crowd.close() });
}

/** Commits three records at a time; where that is refused, the next three. */
function startWriter(stage: Stage, number: number) {
  const client = connect(stage.urls.slice(0, 2), { agent: `writer-${number}` });
  let running = true;
  const work = (async () => {
    while (running) {
      const committed = client.transaction((tx) => {
        for (let i = 0; i < 3; i++) tx.publish(`tx.${number}`, i);
      });
      await committed.catch(() => undefined);
      await Bun.sleep(20);
    }
  })();
  const stop = async () => {
    running = false;
    await work;
    await client.close();
  };
  return { stop };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = Date.now() + waitMs; !holds(); await Bun.sleep(50))
    if (Date.now() > endMs) throw new Error(`Did not happen within ${waitMs} ms: ${what}`);
}

async function verdictOf(crowd: Crowd) {
  await crowd.settle();
  await until("every record arrives", () => judge([crowd.report()]).missing === 0);
  const { published: _, ...verdict } = judge([crowd.report()]);
  return verdict;
}

async function auditOf(
  stage: Stage,
  node: number,
): Promise<readonly { readonly action: string; readonly who: string }[]> {
  const url = `${stage.gateways[node]?.http}/api/v1/audit?max=100`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${apiKey}` } });
  return ((await response.json()) as { items: { action: string; who: string }[] }).items;
}

await describeOnNats("newest", "weir rollout", () => {
  test("moves clients in three stages to nodes that do well, and writes each order into the audit journal", async () => {
    await using stage = await startStage({ gateways: 4 });
    await using crowd = await crowdOn(stage);
    const { said, code } = await rollOut(stage);
    expect(said).toEqual([
      "From g0, g1 to g2, g3",
      "Measuring the nodes that have the clients",
      ...[10, 50, 100].flatMap((share) => [
        `Moving clients, up to ${share} %`,
        `Watching the new nodes with ${share} % of the clients`,
      ]),
      "Done, all clients have moved",
    ]);
    expect(code).toBe(0);
    await until("everybody is there", () => [...crowd.nodes().keys()].every((node) => node === "g2" || node === "g3"));
    expect((await auditOf(stage, 0)).filter(({ action }) => action === "node.drain").length).toBe(6);
    expect(await verdictOf(crowd)).toEqual(kept);
  });

  test("takes everybody back, and says why, when the new nodes refuse what the old ones took", async () => {
    const settings = (index: number) => (index < 2 ? {} : { "websocket.limits.transactionRecordsMax": "2" });
    await using stage = await startStage({ gateways: 4, settings });
    await using crowd = await crowdOn(stage);
    const writers = Array.from({ length: 10 }, (_, i) => startWriter(stage, i));
    const { said, code } = await rollOut(stage);
    expect(code).toBe(1);
    expect(said.at(-2)).toMatch(/^Rolling back: \d+ of \d+ frames failed, 1 % may$/);
    expect(said.at(-1)).toMatch(/^Rolled back: \d+ of \d+ frames failed, 1 % may$/);
    await until("everybody is back", () => [...crowd.nodes().keys()].every((node) => node === "g0" || node === "g1"));
    await Promise.all(writers.map((writer) => writer.stop()));
    expect(await verdictOf(crowd)).toEqual(kept);
  });
});
