/**
 * The outside world of the SDK: clock, chance and sockets. Defaults are in platform.ts, the only file of
 * the client that touches globals; the simulator gives its own.
 * @module
 */

export type ClientTimer = { cancel(): void };
export type ClientClock = {
  /** Milliseconds since 1970. */
  now(): number;
  after(delayMs: number, wake: () => void): ClientTimer;
  /** Soon, after the work that is already waiting: frames of one tick travel together. */
  soon(run: () => void): void;
};
export type ClientRandom = { /** Uniform in [0, 1). */ next(): number };

export type ClientSocketEvents = {
  open(subprotocol: string): void;
  /** `data` belongs to the receiver. */
  message(data: Uint8Array | string): void;
  /** Called once, also when the socket never opened (code 1006). */
  close(code: number, reason: string): void;
};
export type ClientSocket = {
  send(data: Uint8Array | string): void;
  /** Bytes not yet handed to the network. */
  bufferedBytes(): number;
  close(code: number, reason: string): void;
};
export type OpenSocket = (url: string, subprotocol: string, events: ClientSocketEvents) => ClientSocket;

export type ClientPorts = {
  readonly clock: ClientClock;
  readonly random: ClientRandom;
  readonly openSocket: OpenSocket;
};
