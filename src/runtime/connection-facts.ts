/**
 * What is told of a connection: while it is there, when it is lost, and after it has ended. The first cause of its end is
 * the one that counts; how it stood is looked at once, before anything of it is taken down.
 * @module
 */
import type { ConnectionEnded } from "../actors/node/events.ts";
import type { LossDetails } from "../actors/session/events.ts";
import type { CloseName } from "../protocol/close-code.ts";
import type { Window } from "../protocol/frame.ts";
import type { EpochMs } from "../protocol/ids.ts";
import type { ConnectionView } from "./inspection.ts";

export type FactsParts = {
  readonly id: string;
  readonly node: string;
  readonly remoteAddress: string;
  readonly codec: ConnectionView["codec"];
  readonly openedAt: EpochMs;
};

/** How it stands now. */
export type Standing = {
  readonly now: EpochMs;
  readonly heardAt: EpochMs;
  readonly bufferedBytes: number;
  readonly unacknowledged: Window;
};
type Changing = Pick<ConnectionView, "state" | "bufferedBytes"> & {
  readonly session: string | undefined;
  readonly roundTripMs: number | undefined;
};

export class ConnectionFacts {
  readonly #parts: FactsParts;
  framesIn = 0;
  framesOut = 0;
  /** What the client calls itself. */
  agent = "";
  subject = "";
  /** The session that it carried; it stays when it has let go of it. */
  session = "";
  /** Since when its socket is full; undefined: it is not. */
  congestedAt: EpochMs | undefined;
  #cause: string | undefined;
  #details: LossDetails | undefined;

  constructor(parts: FactsParts) {
    this.#parts = parts;
  }

  view({ session, roundTripMs, ...changing }: Changing): ConnectionView {
    const { framesIn, framesOut, subject } = this;
    return {
      ...{ ...this.#parts, ...changing, framesIn, framesOut, subject },
      ...(session === undefined ? {} : { session }),
      ...(roundTripMs === undefined ? {} : { roundTripMs }),
    };
  }

  /** It ends. */
  ends(cause: string, closeCode: number, { now, heardAt, bufferedBytes, unacknowledged }: Standing): void {
    if (this.#details !== undefined) return;
    this.#cause = cause;
    this.#details = {
      closeCode,
      // A clock that was set back has no say in how long.
      silentMs: Math.max(0, now - heardAt),
      congestedMs: Math.max(0, now - (this.congestedAt ?? now)),
      bufferedBytes,
      unackedRecords: unacknowledged.records,
      unackedBytes: unacknowledged.bytes,
    };
  }

  /** Why it ended; `otherwise` when it has not. */
  causeOr(otherwise: string): string {
    return this.#cause ?? otherwise;
  }

  get details(): LossDetails | undefined {
    return this.#details;
  }

  /** Undefined: it has not ended. */
  ended(closedAt: EpochMs): ConnectionEnded | undefined {
    const { id, remoteAddress, codec, openedAt } = this.#parts;
    const { agent, session, subject } = this;
    const [cause, details] = [this.#cause, this.#details];
    if (cause === undefined || details === undefined) return undefined;
    return { id, session, subject, remoteAddress, codec, agent, openedAt, closedAt, cause, details };
  }
}

/** An operator's own words stand behind the name of the cause, as the code behind `socketClosed`. */
export function journalledCause(reason: CloseName, cause: string): string {
  return reason === "disconnected" && cause !== reason ? `${reason} ${cause}` : cause;
}
