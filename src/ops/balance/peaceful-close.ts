/**
 * Ends a socket without taking anything from its peer: a FIN after what is kept, then some time for the peer to end too.
 * What it sends meanwhile is read and dropped, because a socket that is closed with unread bytes resets, and a reset takes
 * the answer with it.
 * @module
 */
import type { Clock, Timer } from "../../runtime/ports.ts";
import type { ByteSocket } from "./byte-socket.ts";

export type Lingering = {
  readonly clock: Clock;
  /** For the peer to end too; and for it to take something of what is kept, again and again. */
  readonly lingerMs: number;
};

/** Resolves when the socket is gone. */
export function closeInPeace(socket: ByteSocket, { clock, lingerMs }: Lingering): Promise<void> {
  if (socket.isClosed) return Promise.resolve();
  return new Promise((resolve) => {
    let timer: Timer;
    let kept = socket.bufferedBytes();
    const look = (): void => {
      const left = socket.bufferedBytes();
      if (left === 0) return socket.close();
      if (left === kept) return socket.destroy();
      kept = left;
      timer = clock.after(lingerMs, look);
    };
    timer = clock.after(lingerMs, look);
    socket.handler = {
      data: () => undefined,
      ended: () => undefined,
      drained: () => undefined,
      closed: () => {
        timer.cancel();
        resolve();
      },
    };
    socket.end();
    socket.resume();
  });
}
