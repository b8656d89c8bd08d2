/**
 * Raw `Bun.serve`: receives a frame, publishes it natively, answers. The floor that a product on Bun pays.
 * @module
 */
import { outgoing, publishedFrame, readRelayFrame, relayFrames } from "./relay-frames.mjs";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, self) {
    return self.upgrade(request) ? undefined : new Response("Send a WebSocket upgrade", { status: 400 });
  },
  websocket: {
    perMessageDeflate: false,
    backpressureLimit: 64 * 1024 * 1024,
    message(socket, data) {
      if (typeof data === "string") return;
      const { kind, topic, body } = readRelayFrame(data);
      if (kind === relayFrames.subscribe) {
        socket.subscribe(topic);
        socket.send(Uint8Array.of(relayFrames.subscribed));
        return;
      }
      for (const frame of outgoing({ kind, body })) server.publish(topic, frame);
      socket.send(publishedFrame(body));
    },
  },
});
