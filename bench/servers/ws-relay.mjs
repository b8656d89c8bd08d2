/**
 * The `ws` package on Node: the same relay as bun-relay.ts. Node, because Bun replaces `ws` by its own.
 * @module
 */
import { WebSocketServer } from "ws";
import { outgoing, publishedFrame, readRelayFrame, relayFrames } from "./relay-frames.mjs";

/** @type {Map<string, Set<import("ws").WebSocket>>} */
const topics = new Map();

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  perMessageDeflate: false,
  backlog: 4096,
});

server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("close", () => {
    for (const subscribers of topics.values()) subscribers.delete(socket);
  });
  socket.on("message", (data) => {
    const { kind, topic, body } = readRelayFrame(data);
    if (kind === relayFrames.subscribe) {
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(socket);
      socket.send(Uint8Array.of(relayFrames.subscribed));
      return;
    }
    const subscribers = topics.get(topic) ?? [];
    for (const frame of outgoing({ kind, body })) for (const subscriber of subscribers) subscriber.send(frame);
    socket.send(publishedFrame(body));
  });
});
