/**
 * Nodes of one log on a real nats-server that do not hear each other, and nodes of different releases that do.
 */
import { expect, test } from "bun:test";
import { normalLane } from "../../src/protocol/lane.ts";
import type { Bus } from "../../src/runtime/bus/bus.ts";
import { natsBus } from "../../src/runtime/bus/nats.ts";
import { decodeBeat } from "../../src/runtime/cluster/beat.ts";
import { NodeFacts } from "../../src/runtime/cluster/node-facts.ts";
import { NodeMembership } from "../../src/runtime/cluster/node-membership.ts";
import { openJetStreamLog } from "../../src/runtime/log/jetstream/open.ts";
import { LatencyHistogram } from "../../src/runtime/metrics.ts";
import { Supervisor } from "../../src/runtime/supervisor.ts";
import { systemClock, systemRandom } from "../../src/runtime/system.ts";
import { numbered, texts } from "../conformance/world.ts";
import { describeOnNats } from "../support/nats-binary.ts";
import { startNatsServer } from "../support/nats-server.ts";
import { type SharedGateway, type SharedLog, sharedLog } from "./shared-stage.ts";
import { until } from "./stage.ts";

const slowMs = 60_000;
const logger = { log: () => undefined };
const idle = { connections: 0, sessions: 0, cpu: 0, loopDelayMs: 0, residentBytes: 0 };

/** Of all beats only its own are heard; what else goes over the bus goes on. */
const hearsItself =
  (node: string) =>
  (bus: Bus): Bus => ({
    bytesMax: bus.bytesMax,
    publish: (...message) => bus.publish(...message),
    request: (...asked) => bus.request(...asked),
    close: () => bus.close(),
    subscribe: (subject, onMessage, options) =>
      bus.subscribe(
        subject,
        (message) => {
          if (subject !== "b.beat" || decodeBeat(message.data)?.node === node) onMessage(message);
        },
        options,
      ),
  });

const statusOf = ({ gateway }: SharedGateway, node: string) =>
  gateway
    .inspect()
    .members()
    .find((member) => member.node === node)?.status;

/** A member without a gateway, of another release. */
async function member(url: string, { name }: SharedLog, about: { version: string; min: number; max: number }) {
  const [clock, random] = [systemClock(), systemRandom()];
  const log = await openJetStreamLog({ servers: [url], name, clock, random, logger });
  const bus = natsBus({ ...log.connection, clock });
  const { version, min, max } = about;
  const membership = new NodeMembership({
    ...{ log, bus, clock, logger, detection: new LatencyHistogram(), incarnation: random.token(9) },
    protocol: { min, max },
    supervisor: new Supervisor(clock, logger),
    facts: new NodeFacts(log, clock),
    identity: { node: `of-${version}`, version, weight: 1, startedAt: clock.now() },
    load: () => ({ ...idle, bytesInPerSecond: 0, bytesOutPerSecond: 0 }),
    replaced: () => undefined,
  });
  return {
    membership,
    [Symbol.asyncDispose]: async () => {
      await membership.leave("done");
      await bus.close();
      await log.close();
    },
  };
}

await describeOnNats("newest", "a cluster", () => {
  test(
    "whose nodes do not hear each other keeps each session at one of them: nothing lost, nothing twice, nothing taken unasked",
    async () => {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startNatsServer());
      const log = sharedLog(server.url);
      const a = stack.use(await log.gateway({ node: "a", bus: hearsItself("a") }));
      const b = stack.use(await log.gateway({ node: "b", bus: hearsItself("b") }));
      const [publisher, stays, moves] = [await a.world().open(), await a.world().open(), await a.world().open()];
      const staying = await stays.subscribe("t", { qos: 1 });
      const moving = await moves.subscribe("t", { qos: 1 });
      await publisher.publish(numbered("t", 10));
      const seen = texts(await moving.take(10));
      moves.peer.send({ type: "ack", upTo: [{ chain: moving.chain(normalLane), seq: 10 }] });
      await moves.peer.fence();

      const isSplit = () => statusOf(a, "b") === "unhealthy" && statusOf(b, "a") === "unhealthy";
      await until(isSplit, "each takes the other for unhealthy");
      expect([statusOf(a, "a"), statusOf(b, "b")]).toEqual(["healthy", "healthy"]);

      const { session, resumeKey } = moves.welcome;
      const moved = await b.world().open({ session, resumeKey });
      expect([moved.welcome.outcome, moved.welcome.session]).toEqual(["resumed", session]);
      expect((await moves.peer.ended("superseded")).cause).toBe("superseded");
      const restored = await moved.restored("t");
      await publisher.publish(numbered("t", 5));
      seen.push(...texts(await restored.take(5)));
      expect(seen).toEqual([...numbered("t", 10), ...numbered("t", 5)].map(({ text }) => text));
      expect(await restored.pending()).toEqual([]);
      expect(texts(await staying.take(15))).toEqual(seen);
      await stays.subscribe("u", { qos: 1 }); // written in its journal, which is still its own
      expect(await b.log.keyValue.list("node/", "", 9)).toHaveLength(2);
    },
    slowMs,
  );

  test(
    "of releases that are neighbours works together; one further away refuses to start and says why",
    async () => {
      await using stack = new AsyncDisposableStack();
      const server = stack.use(await startNatsServer());
      const log = sharedLog(server.url);
      const here = stack.use(await log.gateway({ node: "here" }));
      const next = stack.use(await member(server.url, log, { version: "0.2.0", min: 1, max: 2 }));
      await next.membership.claim();
      next.membership.joined({ url: "ws://next/", http: "http://next" });
      await until(() => statusOf(here, "of-0.2.0") === "healthy", "the gateway sees the newer node");
      await until(() => next.membership.member("here")?.status === "healthy", "the newer node sees the gateway");
      for (const one of [...here.gateway.inspect().members(), ...next.membership.members()])
        expect([one.node, one.compatible]).toEqual([one.node, true]);

      const far = stack.use(await member(server.url, log, { version: "0.3.0", min: 2, max: 3 }));
      await expect(far.membership.claim()).rejects.toThrow(
        /^Node here at ws:\S+ runs version \S+ \(node protocol 1\), and cannot work with version 0\.3\.0 \(node protocol 2 to 3\): update one release at a time$/,
      );
    },
    slowMs,
  );
});
