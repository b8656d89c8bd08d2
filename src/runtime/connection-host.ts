/**
 * What a connection is made of, and what it needs of its node.
 *
 * Types only.
 * @module
 */
import type { Codec } from "../protocol/codec.ts";
import type { Connection } from "./connection.ts";
import type { Refusal } from "./handshake.ts";
import type { Services } from "./services.ts";
import type { Sessions } from "./session/sessions.ts";
import type { Socket } from "./transport/transport.ts";

export type ConnectionParts = {
  readonly id: string;
  readonly socket: Socket;
  readonly codec: Codec;
  readonly services: Services;
  readonly sessions: Sessions;
  readonly host: ConnectionHost;
};

/** What connections need of their node. */
export type ConnectionHost = {
  /** Runs work of this actor; what it throws is its crash. */
  guard(connection: Connection, work: () => void | Promise<void>): void;
  /** A client asks for a session, in a slot that it was given or not. */
  admit(inSlot: boolean): Refusal | undefined;
  /** The handshake is over. */
  greeted(connection: Connection): void;
  gone(connection: Connection): void;
};
