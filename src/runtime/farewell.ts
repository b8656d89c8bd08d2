/**
 * What a connection is told when it is to go: GOAWAY with the reason, when to come again, and where.
 * @module
 */
import { type CloseName, closeCodes } from "../protocol/close-code.ts";
import type { Goaway } from "../protocol/frame.ts";
import type { EpochMs } from "../protocol/ids.ts";
import type { Destination } from "./cluster/redirect.ts";

export class Farewell {
  /** The client knows what to do with a destination; another one would not understand it. */
  readonly takesTickets: boolean;
  /** For clients that may come back here. */
  retryAfterMs: number | undefined;
  #destination: Destination | undefined;

  constructor(takesTickets: boolean) {
    this.takesTickets = takesTickets;
  }

  /** From now on it is sent there. */
  sendTo(destination: Destination): void {
    this.#destination = destination;
  }

  frame(reason: CloseName, cause: string, now: EpochMs): Goaway {
    const { code, advice } = closeCodes[reason];
    const said = { type: "goaway", code, cause, message: advice } as const;
    if (this.takesTickets && this.#destination !== undefined && reason === "goingAway") {
      const { url, ticket, at } = this.#destination;
      return { ...said, url, ticket, retryAfterMs: Math.max(0, at - now) };
    }
    return { ...said, ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }) };
  }
}
