/**
 * The hook by which features with an entry point of their own (requests, presence, pools) work on a client: they send
 * frames, hear frames of their own types and answers to their refs, and hear when the session opens, resumes, loses its
 * connection and ends. The client knows none of them, so that nobody loads what is not used.
 * @module
 */
import type { Codec } from "../protocol/codec.ts";
import type { ErrorFrame, Frame, Headers, PublishRecord, Welcome } from "../protocol/frame.ts";
import type { FrameShape } from "../protocol/shape.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";
import type { ClientClock } from "./ports.ts";

export type Extension = {
  /** Its frames: what the codec learns, and what is handed to `frame`. */
  readonly frames: readonly FrameShape[];
  frame(frame: Frame): void;
  /** An ERROR whose `ref` may be one of its own. False: it is not. */
  refused(frame: ErrorFrame): boolean;
  /** Connected, before anything else can happen on this connection; not called when it is already. */
  welcomed(frame: Welcome): void;
  /** A connection ended or could not be made, and another follows; frames sent meanwhile go nowhere. */
  lost(): void;
  /** For good. */
  ended(error: WeirError): void;
};

/** What a client is to an extension. */
export type ExtensionHost = {
  readonly clock: ClientClock;
  readonly connected: boolean;
  /** Number for a frame whose answer carries it. */
  nextRef(): number;
  send(frame: Frame): void;
  report(error: WeirError): void;
  /** Topic, value and headers as `publish` takes them; throws what it would. */
  record(topic: string, value: unknown, options: { readonly headers?: Headers }): PublishRecord;
  /** Of the client's own bundle: a WeirError of another one would not be an instance of what the application imports. */
  readonly clientError: typeof clientError;
  readonly wireError: typeof wireError;
};

export class Extensions {
  readonly #host: ExtensionHost;
  readonly #wire: { codec: Codec };
  readonly #byName = new Map<string, Extension>();

  constructor(host: Omit<ExtensionHost, "clientError" | "wireError">, wire: { codec: Codec }) {
    this.#host = Object.assign(host, { clientError, wireError });
    this.#wire = wire;
  }

  /** One of each name; asked for again, it is the same. */
  extend<E extends Extension>(name: string, make: (host: ExtensionHost) => E): E {
    let extension = this.#byName.get(name);
    if (extension === undefined) {
      extension = make(this.#host);
      this.#byName.set(name, extension);
      this.#wire.codec = this.#wire.codec.knowing(extension.frames);
    }
    return extension as E;
  }

  /** False: it is nobody's. */
  frame(frame: Frame): boolean {
    for (const extension of this.#byName.values()) {
      if (!extension.frames.some(({ type }) => type === frame.type)) continue;
      extension.frame(frame);
      return true;
    }
    return false;
  }

  refused(frame: ErrorFrame): boolean {
    return [...this.#byName.values()].some((extension) => extension.refused(frame));
  }

  each(tell: (extension: Extension) => void): void {
    this.#byName.forEach(tell);
  }
}
