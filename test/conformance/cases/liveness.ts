/**
 * Sections "Liveness" and "Errors and endings".
 * @module
 */
import { CaseSkipped, check, equal, show } from "../peer.ts";
import { type ConformanceCase, numbered } from "../world.ts";

const section = "Liveness";

export const livenessCases: readonly ConformanceCase[] = [
  {
    section,
    name: "PING is answered with PONG of the same id",
    async run(world) {
      const { peer } = await world.open();
      for (const id of [1, 77, 2_147_483_647]) {
        peer.send({ type: "ping", id });
        await peer.expect("pong", (frame) => frame.id === id);
      }
    },
  },
  {
    section,
    name: "PINGs are answered in order",
    async run(world) {
      const { peer } = await world.open();
      for (let id = 1; id <= 50; id += 1) peer.send({ type: "ping", id });
      for (let id = 1; id <= 50; id += 1) equal((await peer.expect("pong")).id, id, "PONG.id");
    },
  },
  {
    section,
    name: "a PONG that nobody asked for is ignored",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "pong", id: 12_345 });
      await peer.fence();
      equal(peer.unread("error"), [], "errors");
    },
  },
  {
    section,
    name: "heads in PONG name chains of this connection and are not behind what was delivered",
    async run(world) {
      const client = await world.open();
      const received = await client.subscribe(world.topic("t"));
      await client.publish(numbered(world.topic("t"), 3));
      const seq = (await received.take(3))[2]?.seq ?? 0;
      const { heads } = await client.peer.fence();
      if (heads === undefined) throw new CaseSkipped("The gateway's PONG carries no heads");
      check(
        heads.every(({ chain }) => received.last.has(chain)),
        `heads name an unknown chain: ${show(heads)}`,
      );
      const head = heads.find(({ chain }) => chain === received.chain(2));
      check(head === undefined || head.seq >= seq, `head ${show(head)} is behind the delivered seq ${seq}`);
    },
  },
  {
    section: "Errors and endings",
    name: "an ERROR does not end the connection: what is sent behind it is handled",
    async run(world) {
      const client = await world.open();
      client.peer.send({ type: "subscribe", ref: 1, filter: world.topic("a..b") });
      client.peer.send({ type: "subscribe", ref: 2, filter: world.topic("t") });
      await client.peer.refusal("badFilter", (frame) => frame.ref === 1);
      await client.peer.answer("subscribed", 2);
      await client.publishOne(world.topic("t"), "1");
    },
  },
  {
    section: "Errors and endings",
    name: "one connection's violation does not disturb another one",
    async run(world) {
      const [bad, good] = [await world.open(), await world.open()];
      const received = await good.subscribe(world.topic("t"));
      bad.peer.send({ type: "publish", first: 9, records: [{ topic: world.topic("t"), payload: new Uint8Array(1) }] });
      await bad.peer.ended("protocolViolation");
      await good.publishOne(world.topic("t"), "1");
      await received.take(1);
    },
  },
];
