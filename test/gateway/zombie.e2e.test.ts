/**
 * A gateway process that stands still (SIGSTOP) and goes on (SIGCONT), as a machine does that was suspended: what others
 * took meanwhile it neither delivers to nor publishes for, what nobody took goes on where it was.
 */
import { expect, test } from "bun:test";
import { msgpackCodec } from "../../src/protocol/codec-msgpack.ts";
import { limits } from "../../src/protocol/limits.ts";
import { numbered, texts, toRecords, World } from "../conformance/world.ts";
import { type Stage, startStage } from "../migration/stage.ts";
import { describeOnNats } from "../support/nats-binary.ts";

/** Long enough to be called dead by the others. */
const stillMs = 4_000;

function worldOf({ urls }: Stage, gateway: number): World {
  const url = urls[gateway] ?? "";
  return new World({ url, codec: msgpackCodec, handshakeMs: limits.handshakeMs, waitMs: 15_000 });
}

await describeOnNats("newest", "a gateway that stood still", () => {
  test("delivers nothing to sessions that were taken meanwhile, stores nothing for them, and goes on with the others", async () => {
    await using stage = await startStage({ gateways: 2 });
    const [zombie] = stage.gateways;
    const [worldA, worldB] = [worldOf(stage, 0), worldOf(stage, 1)];
    const [taken, kept, writer] = [await worldA.open(), await worldA.open(), await worldB.open()];
    const [ofTaken, ofKept] = [await taken.subscribe("t", { qos: 1 }), await kept.subscribe("t", { qos: 1 })];
    await writer.publish(numbered("t", 10));
    for (const reception of [ofTaken, ofKept]) {
      await reception.take(10);
      reception.ack();
    }
    await Promise.all([taken.peer.fence(), kept.peer.fence()]);

    zombie?.pause();
    // In the zombie's socket buffers when it wakes.
    taken.peer.send({ type: "publish", first: 1, records: toRecords([{ topic: "t", text: "of the zombie" }]) });
    kept.peer.send({ type: "publish", first: 1, records: toRecords([{ topic: "t", text: "of the other" }]) });
    const { session, resumeKey } = taken.welcome;
    const onB = await worldB.open({ session, resumeKey });
    expect([onB.welcome.outcome, onB.welcome.publishedUpTo]).toEqual(["resumed", 0]);
    const restored = await onB.restored("t");
    await onB.publishOne("t", "of the new owner");
    await writer.publish(numbered("t", 10));
    await Bun.sleep(stillMs);
    zombie?.continue();

    expect((await taken.peer.ended("superseded")).cause).toBe("superseded");
    expect(taken.peer.unread("deliver")).toEqual([]);
    const missed = ["of the new owner", ...numbered("t", 10).map(({ text }) => text), "of the other"];
    expect(texts(await ofKept.take(12))).toEqual(missed);
    expect(texts(await restored.take(22)).slice(-12)).toEqual(missed);
    await writer.publishOne("t", "live again");
    expect(texts(await ofKept.take(1))).toEqual(["live again"]);
    kept.next = 2;
    expect(await kept.publishOne("t", "and publishing")).toBeGreaterThan(0);
    await Promise.all([worldA.end(), worldB.end()]);
  });
});
