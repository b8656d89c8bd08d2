/**
 * Workers that the gateway dials: kept, used again, dialled again, as many as scaling wants.
 */
import { expect, test } from "bun:test";
import { scalingDefaults } from "../../src/actors/pool/settings.ts";
import { platformDial } from "../../src/runtime/pool/dial.ts";
import { numbered } from "../conformance/world.ts";
import { makePool, viewOf } from "./pool-peer.ts";
import { Stage, until } from "./stage.ts";

type Said = {
  readonly type: string;
  readonly item?: number;
  readonly attempt?: number;
  readonly payload?: unknown;
  readonly cause?: string;
};

/** A server of workers that says what it was told. */
function workers(answer: (said: Said, reply: (message: unknown) => void, close: () => void) => void) {
  const seen: Said[] = [];
  let opened = 0;
  let open = 0;
  const server = Bun.serve({
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("No", { status: 400 })),
    websocket: {
      open: () => {
        opened++;
        open++;
      },
      message: (socket, text) => {
        const said = JSON.parse(String(text)) as Said;
        seen.push(said);
        answer(
          said,
          (message) => socket.send(JSON.stringify(message)),
          () => socket.terminate(),
        );
      },
      close: () => {
        open--;
      },
    },
  });
  const counts = {
    get opened() {
      return opened;
    },
    get open() {
      return open;
    },
  };
  return { seen, counts, url: `ws://127.0.0.1:${server.port}/`, [Symbol.dispose]: () => void server.stop(true) };
}

async function staged(url: string, min = 1, max = 3): Promise<Stage> {
  const dial = platformDial();
  if (dial === undefined) throw new Error("No WebSocket here");
  const stage = await Stage.open({ config: { scalers: { dial } } });
  const scaling = { ...scalingDefaults, min, max, capacity: 2, downCoolDownMs: 1_000, by: "outbound" as const, url };
  await makePool(stage.gateway, "workers", { scaling, retryMs: 10 });
  return stage;
}

const ready = { type: "ready", capacity: 2 };

test("a pool dials its workers, gives each work within its capacity, and uses a connection again and again", async () => {
  using server = workers((said, reply) => {
    if (said.type === "hello") reply(ready);
    if (said.type === "work") reply({ type: "done", item: said.item });
  });
  await using stage = await staged(server.url, 2, 2);
  await until(async () => (await viewOf(stage.gateway, "workers")).members.length === 2, "both are members");
  await (await stage.world().open()).publish(numbered("jobs.a", 200));
  await until(async () => (await viewOf(stage.gateway, "workers")).done === 200, "all is done");
  expect(server.counts.opened).toBe(2);
  const work = server.seen.filter(({ type }) => type === "work");
  expect(work.length).toBe(200);
  expect(work.map(({ payload }) => Number(payload)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 200 }, (_, i) => i + 1),
  );
});

test("a pool dials more workers when work piles up, and lets them go when they are done", async () => {
  const waiting: (() => void)[] = [];
  using server = workers((said, reply) => {
    if (said.type === "hello") reply(ready);
    if (said.type === "work") waiting.push(() => reply({ type: "done", item: said.item }));
  });
  await using stage = await staged(server.url);
  await until(() => server.counts.open === 1, "one is dialled");
  const from = performance.now();
  await (await stage.world().open()).publish(numbered("jobs.a", 30));
  await until(() => server.counts.open === 3, "as many as there may be");
  expect(performance.now() - from).toBeLessThan(2_000);
  await until(async () => {
    for (const done of waiting.splice(0)) done();
    return (await viewOf(stage.gateway, "workers")).done === 30;
  }, "all is done");
  await until(() => server.counts.open === 1, "they are let go");
  expect(server.seen.some(({ type, cause }) => type === "left" && cause === "drained")).toBe(true);
});

test("a worker that is lost or talks nonsense loses its work to another, and is dialled again", async () => {
  let works = 0;
  using server = workers((said, reply, close) => {
    if (said.type === "hello") reply(ready);
    if (said.type !== "work") return;
    works++;
    if (works === 1) close();
    else if (works === 2) reply({ type: "what?" });
    else if (works === 3) reply({ type: "failed", item: said.item, reason: "no such file" });
    else reply({ type: "done", item: said.item });
  });
  await using stage = await staged(server.url, 1, 1);
  await (await stage.world().open()).publish(numbered("jobs.a", 1));
  await until(async () => (await viewOf(stage.gateway, "workers")).done === 1, "it is done");
  expect(server.seen.filter(({ type }) => type === "work").map(({ attempt }) => attempt)).toEqual([1, 2, 3, 4]);
  expect(server.counts.opened).toBe(3);
  expect((await viewOf(stage.gateway, "workers")).failed).toBe(1);
});
