/**
 * What the SDK throws and reports: one class, told apart by `code`.
 *
 * Pure. Codes of the wire keep their names (src/protocol/error-code.ts, close-code.ts); the SDK adds its own below.
 * @module
 */
import type { CloseName } from "../protocol/close-code.ts";
import { closeNumbers, errorNumbers } from "../protocol/code-numbers.ts";
import type { ErrorName } from "../protocol/error-code.ts";

/** Errors that the SDK itself finds. */
export const clientErrors = {
  badOption: { retryable: false, advice: "Correct the option that the message names" },
  badArgument: { retryable: false, advice: "Correct the argument that the message names" },
  outboxFull: {
    retryable: true,
    advice: "Await client.writable() before publishing more, or raise outbox.recordsMax and outbox.bytesMax",
  },
  outcomeUnknown: {
    retryable: false,
    advice: "It may or may not be in the log; look with history(), or set onSessionLost to resend",
  },
  aborted: {
    retryable: false,
    advice: "Its signal was aborted; a record that had been numbered may still reach the log",
  },
  closed: { retryable: false, advice: "Open a new client" },
  superseded: { retryable: false, advice: "Another connection took the session over; give each client its own store" },
  ackOutOfOrder: { retryable: false, advice: "Acknowledge the records of a chain in their order" },
  subscriptionEnded: {
    retryable: false,
    advice: "Subscribe again; the gateway ended it with the cause in the message",
  },
  tokenFailed: { retryable: true, advice: "The token function failed; the SDK calls it again by itself" },
  storeFailed: {
    retryable: true,
    advice: "The store refused a write; nothing that depends on it is sent until it works",
  },
  handlerFailed: { retryable: true, advice: "The record was given back with NAK and comes again" },
} as const satisfies Record<string, { retryable: boolean; advice: string }>;
export type ClientErrorName = keyof typeof clientErrors;

export type WeirErrorCode = ErrorName | ClientErrorName | CloseName;

export class WeirError extends Error {
  override readonly name = "WeirError";
  readonly code: WeirErrorCode | (string & {});
  /** Whether the same call can succeed later without a change. */
  readonly retryable: boolean;
  /** What to do about an error of the SDK's own. A gateway's advice is in its message. */
  readonly advice?: string;
  /** The wire's cause in its own words, or the error that was thrown underneath. */
  override readonly cause?: unknown;
  constructor(
    code: WeirError["code"],
    message: string,
    details: { retryable: boolean; advice?: string; cause?: unknown },
  ) {
    super(message);
    this.code = code;
    this.retryable = details.retryable;
    if (details.advice !== undefined) this.advice = details.advice;
    if (details.cause !== undefined) this.cause = details.cause;
  }
}

export function clientError(code: ClientErrorName, message: string, cause?: unknown): WeirError {
  return new WeirError(code, message, { ...clientErrors[code], ...(cause === undefined ? {} : { cause }) });
}

/** An ERROR frame or a refused publish, as an error. */
export function wireError(wire: { code: number; cause: string; message: string; retryable?: boolean }): WeirError {
  return new WeirError(nameOf(errorNumbers, wire.code) ?? wire.cause, wire.message, {
    retryable: wire.retryable ?? false,
    cause: wire.cause,
  });
}

/** A close that the client does not reconnect after, as an error. */
export function closeError(code: number, reason: string): WeirError {
  const name = nameOf(closeNumbers, code);
  const message = reason === "" ? `The gateway closed the connection with ${code}` : reason;
  if (name === undefined) return new WeirError("closed", message, { retryable: false, cause: String(code) });
  return new WeirError(name, message, { retryable: false, cause: name });
}

function nameOf<Name extends string>(numbers: { readonly [K in Name]: number }, number: number): Name | undefined {
  return (Object.keys(numbers) as Name[]).find((name) => numbers[name] === number);
}
