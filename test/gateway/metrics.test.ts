/**
 * What /metrics counts when clients really come, receive, err and go.
 */
import { expect, test } from "bun:test";
import { numbered } from "../conformance/world.ts";
import { Stage, until } from "./stage.ts";

test("websocket_message_latency counts each receiver of what is published while it is there, not what it missed", async () => {
  await using stage = await Stage.open();
  const publisher = await stage.world().open();
  await publisher.publish(numbered("orders.old", 10));
  const receivers = [await stage.world().open(), await stage.world().open()];
  const receptions = await Promise.all(
    receivers.map((receiver) => receiver.subscribe("orders.>", { start: { kind: "all" } })),
  );
  for (const reception of receptions) await reception.take(10);
  const count = () => stage.metric("websocket_message_latency_count");
  expect(await count()).toBe(0);

  await publisher.publish(numbered("orders.new", 5));
  for (const reception of receptions) await reception.take(5);
  expect(await count()).toBe(10);
  expect(await stage.metric("websocket_message_latency_sum")).toBeLessThan(10);
  expect(await stage.metric("websocket_connections")).toBe(3);
});

test("weir_connections_closed_total and weir_errors_total tell by name why", async () => {
  await using stage = await Stage.open({ config: { limits: { errorsPerConnectionMax: 2 } } });
  const broken = await stage.world().open();
  for (let i = 0; i < 3; i++) broken.peer.send({ type: "hello" });
  await broken.peer.ended("tooManyErrors");
  const leaves = await stage.world().open();
  leaves.peer.close();
  await until(async () => (await stage.metric("websocket_connections")) === 0, "both are gone");
  expect(await stage.metric('weir_connections_closed_total{reason="tooManyErrors"}')).toBe(1);
  expect(await stage.metric('weir_connections_closed_total{reason="lost"}')).toBe(1);
  expect(await stage.metric('weir_errors_total{error="unexpectedFrame"}')).toBe(3);
});
