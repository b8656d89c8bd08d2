/**
 * Frames that a client that works does not send: each is answered, and of one connection only so many.
 */
import { expect, test } from "bun:test";
import type { Frame } from "../../src/protocol/frame.ts";
import { Stage } from "./stage.ts";

const errorsPerConnectionMax = 5;

test("errorsPerConnectionMax faulty frames are answered and the next one ends the connection, whatever is wrong", async () => {
  await using stage = await Stage.open({ config: { limits: { errorsPerConnectionMax } } });
  const world = stage.world();
  const faults: Frame[] = [
    { type: "subscribe", ref: 1, filter: "a", qos: 3 } as unknown as Frame,
    { type: "subscribe", ref: 0, filter: "a" },
    { type: "publish", records: [] },
    { type: "committed", tx: 1, firstSeq: 1, lastSeq: 1 },
    world.hello(),
  ];
  for (const fault of faults) {
    const { peer } = await world.open();
    for (let i = 0; i < errorsPerConnectionMax; i++) peer.send(fault);
    await peer.fence();
    expect(peer.unread("error").length).toBe(errorsPerConnectionMax);
    peer.send(fault);
    await peer.ended("tooManyErrors");
  }
});

test("refusals that depend on what the gateway holds are no faults of a frame, and not counted", async () => {
  await using stage = await Stage.open({ config: { limits: { errorsPerConnectionMax } } });
  const { peer } = await stage.world().open();
  for (let i = 0; i < errorsPerConnectionMax * 2; i++) peer.send({ type: "unsubscribe", ref: i + 1, filter: "none" });
  await peer.fence();
  expect(peer.unread("error").length).toBe(errorsPerConnectionMax * 2);
});

test("CREDIT without a filter, and BEGIN of an open transaction, are told what is wrong with them", async () => {
  await using stage = await Stage.open();
  const { peer } = await stage.world().open();
  peer.send({ type: "credit", records: 1, bytes: 1 });
  expect((await peer.refusal("badFrameShape")).message).toContain("$.filter");
  peer.send({ type: "begin", tx: 4 });
  peer.send({ type: "begin", tx: 4 });
  expect((await peer.refusal("unexpectedFrame", ({ tx }) => tx === 4)).message).toContain("Transaction 4 is open");
});
