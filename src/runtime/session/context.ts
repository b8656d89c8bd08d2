/**
 * What the parts of a session (publishing, transactions, subscriptions, redelivery) see of it.
 * @module
 */
import type { Rejection, SessionCommand } from "../../actors/session/decide.ts";
import type { LossDetails, SessionEvent } from "../../actors/session/events.ts";
import type { SessionState } from "../../actors/session/state.ts";
import type { CloseName } from "../../protocol/close-code.ts";
import type { CodecName } from "../../protocol/codec.ts";
import type { ErrorName } from "../../protocol/error-code.ts";
import { errorCodes } from "../../protocol/error-code.ts";
import type { ErrorFrame, Frame } from "../../protocol/frame.ts";
import type { SessionId } from "../../protocol/ids.ts";
import type { Limits } from "../../protocol/limits.ts";
import type { AppendRequest, AppendResult } from "../log/event-log.ts";
import type { Identity } from "../ports.ts";
import type { Services } from "../services.ts";
import type { SendResult } from "../transport/transport.ts";

/** Before anybody said who it is. */
export const nobody: Identity = { subject: "", publish: [], subscribe: [] };

/** The socket side of a session, while it is attached. */
export type Peer = {
  /** Of the connection. */
  readonly id: string;
  readonly codec: CodecName;
  readonly identity: Identity;
  /** Those in force when it was opened. */
  readonly limits: Limits;
  send(frame: Frame): SendResult;
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /** The socket is closed, or about to be. */
  readonly gone: boolean;
  bufferedBytes(): number;
  /** How it stood with the connection when it ended. */
  readonly facts: { readonly details: LossDetails | undefined };
  pause(): void;
  resume(): void;
  /** Nothing is delivered, and nothing that comes is looked at, until `goOn`. */
  hold(): void;
  goOn(): void;
  end(reason: CloseName, cause: string): void;
};

/** A command's outcome: the events that are in the journal now. */
export type Recorded =
  | { readonly ok: true; readonly events: readonly SessionEvent[] }
  | { readonly ok: false; readonly rejection: Rejection };

export type SessionContext = {
  readonly id: SessionId;
  /** Nothing of it outlives its connection. */
  readonly ephemeral: boolean;
  readonly services: Services;
  /** Those of its connection. */
  readonly limits: Limits;
  readonly state: SessionState;
  /** Undefined while detached. */
  readonly peer: Peer | undefined;
  /** Decides, changes the state at once, resolves when the journal holds it. */
  record(command: SessionCommand): Promise<Recorded>;
  /** As `record`, in one atomic step with more than the journal. The state changes only when the step is done. */
  recordWith(
    command: SessionCommand,
    request: Omit<AppendRequest, "journal">,
  ): Promise<AppendResult | { readonly ok: false; readonly rejection: Rejection }>;
  /** Positions or numbers moved: to be journalled soon. */
  progressed(): void;
};

/** An ERROR frame from its table, with what happened in this case. */
export function errorFrame(name: ErrorName, what: string, details: Partial<ErrorFrame> = {}): ErrorFrame {
  const { code, retryable, advice } = errorCodes[name];
  return { type: "error", code, cause: name, message: `${what}. ${advice}`, retryable, ...details };
}
