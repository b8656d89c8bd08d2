/**
 * The default outside world: the only file of the SDK that touches globals.
 * @module
 */
import { ticketsOffer } from "../protocol/subprotocol.ts";
import type { ClientClock, ClientPorts, ClientSocket, ClientSocketEvents, OpenSocket } from "./ports.ts";

/** What is used of a WebSocket; browsers, Bun, Deno, Node ≥ 22 and the `ws` package all have it. */
export type WebSocketLike = {
  binaryType: string;
  readonly protocol: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
};
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** Longer delays overflow setTimeout and fire at once. */
const timeoutMsMax = 2_147_483_647;

export function platformPorts(webSocket?: WebSocketClass): ClientPorts {
  return { clock: systemClock, random: { next: () => Math.random() }, openSocket: webSocketOpener(webSocket) };
}

const systemClock: ClientClock = {
  now: () => Date.now(),
  after(delayMs, wake) {
    const timer = setTimeout(wake, Math.min(delayMs, timeoutMsMax));
    return { cancel: () => clearTimeout(timer) };
  },
  soon: soonest(),
};

/** setTimeout(0) waits 4 ms in browsers; a message port does not. Servers have setImmediate. */
function soonest(): (run: () => void) => void {
  const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => unknown };
  if (setImmediate !== undefined) return (run) => void setImmediate(run);
  let waiting: (() => void)[] = [];
  let channel: MessageChannel | undefined; // Made when first used: importing the SDK has no effect.
  return (run) => {
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => {
        const runs = waiting;
        waiting = [];
        for (const each of runs) each();
      };
    }
    if (waiting.push(run) === 1) channel.port2.postMessage(0);
  };
}

function webSocketOpener(given: WebSocketClass | undefined): OpenSocket {
  return (url, subprotocol, events) => {
    const Class = given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
    if (Class === undefined)
      throw new TypeError("No global WebSocket here: give the option webSocket, such as the class of the ws package");
    return adopt(new Class(url, [subprotocol, ticketsOffer]), events);
  };
}

function adopt(socket: WebSocketLike, events: ClientSocketEvents): ClientSocket {
  let failure = "";
  socket.binaryType = "arraybuffer";
  socket.onopen = () => events.open(socket.protocol);
  socket.onmessage = (event: { data: unknown }) => {
    events.message(typeof event.data === "string" ? event.data : new Uint8Array(event.data as ArrayBuffer));
  };
  // A close event always follows. That of a socket that never opened has no reason; the error may tell why.
  socket.onerror = (event: { message?: string }) => {
    failure = event.message ?? "";
  };
  socket.onclose = (event: { code: number; reason: string }) => events.close(event.code, event.reason || failure);
  return {
    send: (data) => socket.send(data as string | Uint8Array<ArrayBuffer>),
    bufferedBytes: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
  };
}
