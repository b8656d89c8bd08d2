/**
 * A client of the release before features: its reader knows the core's frames and fields alone, refuses any other, and is
 * sent none, whatever others on the same gateway use.
 */
import { expect, test } from "bun:test";
import { msgpackCodec } from "../../src/protocol/codec-msgpack.ts";
import { limits } from "../../src/protocol/limits.ts";
import { texts, World } from "../conformance/world.ts";
import { Stage } from "./stage.ts";

test("a client that knows the core alone publishes, follows, resumes and is sent away, beside one that asks and serves", async () => {
  await using stage = await Stage.open();
  const target = { url: stage.url, codec: msgpackCodec, handshakeMs: limits.handshakeMs, waitMs: 10_000 };
  const [older, newer] = [new World(target), await stage.world().open()];
  newer.peer.send({ type: "serve", ref: 1, filter: ">" });
  await newer.peer.answer("served", 1);
  const client = await older.open();
  expect(client.welcome.features).toContain("requests");
  await client.subscribe("t", { qos: 1 });
  await client.publishOne("t", "1");
  newer.peer.send({ type: "request", ref: 2, topic: "t", payload: new Uint8Array() });
  await newer.peer.expect("request");
  const back = await older.resume(client);
  const reception = await back.restored("t");
  expect(texts(await reception.take(1))).toEqual(["1"]);
  await back.peer.fence(); // fails on anything that does not decode
  const stopping = stage.stop();
  await back.peer.ended("goingAway");
  await stopping;
});

test("a frame that the gateway does not know is answered, and the connection goes on", async () => {
  await using stage = await Stage.open();
  const { peer } = await stage.world().open();
  peer.sendRaw(new Uint8Array([0x92, 63, 1])); // frame 63, of a release to come
  await peer.refusal("unknownFrame");
  await peer.fence();
});
