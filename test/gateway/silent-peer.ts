/**
 * A session on a bare TCP socket that from then on reads and says nothing, as a peer that lost its network.
 * @module
 */
import { jsonCodec } from "../../src/protocol/codec-json.ts";
import type { Frame } from "../../src/protocol/frame.ts";
import { type RawWebSocket, rawWebSocket } from "../support/raw-websocket.ts";

export type SilentPeer = {
  readonly socket: RawWebSocket;
  /** Close code, once it reads again. */
  readonly closed: Promise<number>;
};

/** Says HELLO and `frames`, and falls silent when each of them has been answered. */
export async function silentPeer(url: string, frames: readonly Frame[] = []): Promise<SilentPeer> {
  const closed = Promise.withResolvers<number>();
  const answered = Promise.withResolvers<void>();
  let left = 1 + frames.length;
  const socket = rawWebSocket({
    url,
    subprotocols: ["weir.v1.json"],
    events: {
      open: () => {
        for (const frame of [{ type: "hello" } as const, ...frames]) socket.send(jsonCodec.encode(frame));
      },
      message: () => {
        if (--left === 0) answered.resolve();
      },
      close: (code) => closed.resolve(code),
    },
  });
  await answered.promise;
  socket.stall();
  return { socket, closed: closed.promise };
}
