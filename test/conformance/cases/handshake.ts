/**
 * Sections 1 and 2 of the protocol: subprotocol, HELLO and WELCOME, and frames that are no frames.
 * @module
 */
import type { Frame } from "../../../src/protocol/frame.ts";
import { CaseSkipped, check, equal, type Peer, show, upgradeStatus } from "../peer.ts";
import type { ConformanceCase, World } from "../world.ts";

const section = "Handshake";
const framing = "Framing";

/** Frames that no encoder makes, as one WebSocket message of each codec. */
const raw = {
  unknownFrame: {
    msgpack: Uint8Array.of(0x91, 0x3f),
    protobuf: Uint8Array.of(0xfa, 0x03, 0x00),
    json: '{"type":"nonsense"}',
  },
  malformedFrame: { msgpack: Uint8Array.of(0xc1), protobuf: Uint8Array.of(0xff), json: '{"type":' },
} as const;

async function alive(peer: Peer): Promise<void> {
  await peer.fence();
}

async function closesOver(world: World, data: Uint8Array | string, cause: string): Promise<void> {
  const { peer } = await world.open();
  peer.sendRaw(data);
  equal((await peer.ended("protocolViolation")).cause, cause, "GOAWAY.cause");
}

export const handshakeCases: readonly ConformanceCase[] = [
  {
    section,
    name: "the gateway answers with the subprotocol that was offered",
    async run(world) {
      equal((await world.dial()).subprotocol, `weir.v1.${world.codec.name}`, "subprotocol");
    },
  },
  {
    section,
    name: "the first subprotocol of the client's list that the gateway knows is chosen",
    async run(world) {
      const wanted = `weir.v1.${world.codec.name}`;
      const others = ["weir.v1.json", "weir.v1.msgpack"].filter((name) => name !== wanted);
      const socket = new WebSocket(world.target.url, ["nonsense.v9", wanted, ...others]);
      await new Promise<void>((resolve, reject) => {
        socket.addEventListener("open", () => resolve());
        socket.addEventListener("error", () => reject(new Error("The socket did not open")));
      });
      socket.close();
      equal(socket.protocol, wanted, "subprotocol");
    },
  },
  {
    section,
    name: "an upgrade that offers only unknown subprotocols is answered 400",
    async run(world) {
      equal(await upgradeStatus(world.target.url, ["nonsense.v9"], world.target.waitMs), 400, "status");
    },
  },
  {
    section,
    name: "an upgrade that offers no subprotocol is answered 400",
    async run(world) {
      equal(await upgradeStatus(world.target.url, [], world.target.waitMs), 400, "status");
    },
  },
  {
    section,
    name: "the path /weir is served like /",
    async run(world) {
      const url = new URL("/weir", world.target.url).href;
      equal(await upgradeStatus(url, [`weir.v1.${world.codec.name}`], world.target.waitMs), 101, "status");
    },
  },
  {
    section,
    name: "HELLO without a session is answered WELCOME with a new one",
    async run(world) {
      const { welcome } = await world.open();
      equal(
        [welcome.outcome, welcome.publishedUpTo, welcome.owner],
        ["opened", 0, 1],
        "WELCOME outcome, publishedUpTo, owner",
      );
      check(welcome.cause === undefined, `WELCOME gives cause ${welcome.cause} though no session was asked for`);
      check(
        welcome.session !== "" && welcome.resumeKey !== "" && welcome.epoch !== "" && welcome.node !== "",
        `WELCOME has empty names: ${show(welcome)}`,
      );
      check(["none", "disk", "r1", "r3", "r3-sync"].includes(welcome.tier), `WELCOME.tier is ${welcome.tier}`);
      check(
        welcome.credit.records > 0 && welcome.credit.bytes > 0,
        `WELCOME grants no credit: ${show(welcome.credit)}`,
      );
      check(welcome.frameBytesMax > welcome.payloadBytesMax, "a payload of payloadBytesMax does not fit in a frame");
    },
  },
  {
    section,
    name: "two HELLOs without a session open two sessions",
    async run(world) {
      const [one, other] = [await world.open(), await world.open()];
      check(one.welcome.session !== other.welcome.session, "both have the same session");
      check(one.welcome.resumeKey !== other.welcome.resumeKey, "both have the same resume key");
      equal(one.welcome.epoch, other.welcome.epoch, "epoch");
    },
  },
  {
    section,
    name: "frames sent right behind HELLO are handled in order after WELCOME",
    async run(world) {
      const peer = await world.dial();
      const topic = world.topic("early");
      peer.send(world.hello());
      peer.send({ type: "subscribe", ref: 1, filter: topic });
      peer.send({ type: "ping", id: 7 });
      await peer.expect("welcome");
      equal((await peer.answer("subscribed", 1)).filter, topic, "SUBSCRIBED.filter");
      await peer.expect("pong", (frame) => frame.id === 7);
    },
  },
  {
    section,
    name: "a socket on which nothing is said is closed with handshakeTimeout",
    needs: "shortHandshake",
    async run(world) {
      const peer = await world.dial();
      await peer.ended("handshakeTimeout", world.target.handshakeMs + world.target.waitMs);
    },
  },
  {
    section,
    name: "a first frame other than HELLO closes with protocolViolation",
    async run(world) {
      const peer = await world.dial();
      peer.send({ type: "ping", id: 1 });
      equal((await peer.ended("protocolViolation")).cause, "unexpectedFrame", "GOAWAY.cause");
    },
  },
  {
    section,
    name: "a second HELLO is refused with unexpectedFrame and the connection goes on",
    async run(world) {
      const { peer } = await world.open();
      peer.send(world.hello());
      await peer.refusal("unexpectedFrame");
      await alive(peer);
    },
  },
  {
    section: framing,
    name: "a frame that only gateways send is refused with unexpectedFrame",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "committed", tx: 1, firstSeq: 1, lastSeq: 1 });
      await peer.refusal("unexpectedFrame");
      await alive(peer);
    },
  },
  {
    section: framing,
    name: "an unknown frame is refused with unknownFrame and the connection goes on",
    async run(world) {
      const { peer } = await world.open();
      peer.sendRaw(raw.unknownFrame[world.codec.name]);
      await peer.refusal("unknownFrame");
      await alive(peer);
    },
  },
  {
    section: framing,
    name: "a field out of its range is refused with badFrameShape, named in the message",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "subscribe", ref: 1, filter: world.topic("a"), qos: 3 } as unknown as Frame);
      const refused = await peer.refusal("badFrameShape");
      check(refused.message.includes("qos"), `ERROR badFrameShape does not name the field: ${refused.message}`);
      equal(refused.ref, 1, "ERROR.ref");
      await alive(peer);
    },
  },
  {
    section: framing,
    name: "bytes that are no frame close with protocolViolation",
    run: (world) => closesOver(world, raw.malformedFrame[world.codec.name], "malformedFrame"),
  },
  {
    section: framing,
    name: "a message of the other kind (text for binary) closes with protocolViolation",
    async run(world) {
      const encoded = world.codec.encode({ type: "ping", id: 1 });
      const other = typeof encoded === "string" ? new TextEncoder().encode(encoded) : '{"type":"ping","id":1}';
      await closesOver(world, other, "malformedFrame");
    },
  },
  {
    section: framing,
    name: "an empty message is no frame: protocolViolation, or in protobuf an unknown one",
    async run(world) {
      if (world.codec.name !== "protobuf")
        return await closesOver(world, world.codec.text ? "" : new Uint8Array(0), "malformedFrame");
      const { peer } = await world.open();
      peer.sendRaw(new Uint8Array(0));
      await peer.refusal("unknownFrame");
    },
  },
  {
    section: framing,
    name: "a frame of one byte more than frameBytesMax closes with frameTooLarge",
    async run(world) {
      const { peer, welcome } = await world.open();
      const size = welcome.frameBytesMax + 1;
      peer.sendRaw(world.codec.text ? " ".repeat(size) : new Uint8Array(size));
      await peer.ended("frameTooLarge");
    },
  },
  {
    section: framing,
    name: "a frame that nests too deep closes with protocolViolation",
    async run(world) {
      if (world.codec.name === "protobuf")
        throw new CaseSkipped("A protobuf frame nests as its schema does, never deeper");
      const depth = 200;
      const nested = world.codec.text
        ? `{"type":"ping","id":${"[".repeat(depth)}${"]".repeat(depth)}}`
        : Uint8Array.of(...new Array<number>(depth).fill(0x91), 0x01);
      await closesOver(world, nested, "frameTooDeep");
    },
  },
];
