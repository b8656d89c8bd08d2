/** A reader of events that takes nothing: it costs the gateway what the kernel holds, and its place in the log. */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { keys, RestStage } from "./rest-stage.ts";

const records = 400;
const filler = "x".repeat(100_000);
const quietMs = 300;

test("records as events are read from the log no faster than their reader takes them", async () => {
  await using stage = await RestStage.open();
  for (let i = 0; i < records; i += 10) {
    const batch = Array.from({ length: 10 }, (_, n) => ({ topic: "a", payload: { n: i + n, filler } }));
    expect((await stage.call("POST", "/api/v1/publish", { body: { records: batch } })).status).toBe(200);
  }
  const pages = (): number => {
    const { pagesFromLog, pagesFromRing } = stage.gateway.inspect().totals();
    return pagesFromLog + pagesFromRing;
  };
  const before = pages();
  const socket = connect(stage.port, "127.0.0.1");
  socket.write(
    `GET /api/v1/topics/a/records?from=all HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${keys.viewer}\r\n\r\n`,
  );
  await new Promise<void>((resolve) => socket.once("readable", resolve));
  socket.pause();
  // Until nothing more is read for it.
  for (let seen = -1; seen !== pages(); await Bun.sleep(quietMs)) seen = pages();
  const taken = pages() - before;
  socket.destroy();
  // 40 MB in pages of at most 256 KiB (two records) are 200 pages; loopback buffers a few MB.
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(120);
}, 30_000);
