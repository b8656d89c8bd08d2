/**
 * Request/reply: questions of clients and services to whoever serves a topic, over the bus and not in the log.
 * @module
 */
import type { Attachment, Feature, FrameOf } from "../features/feature.ts";
import type { Services } from "../services.ts";
import { Asking } from "./asking.ts";
import { Serving } from "./serving.ts";

export class Requests implements Feature<"requests"> {
  readonly name = "requests";
  readonly #asking: Asking;
  readonly #serving: Serving;

  constructor(services: Services) {
    this.#asking = new Asking(services);
    this.#serving = new Serving(services);
  }

  receive(attachment: Attachment, frame: FrameOf<"requests">): void | Promise<void> {
    switch (frame.type) {
      case "request":
        return this.#asking.ask(attachment, frame);
      case "cancel":
        return this.#asking.cancel(attachment, frame);
      case "serve":
        return this.#serving.serve(attachment, frame);
      case "unserve":
        return this.#serving.unserve(attachment, frame);
      case "response":
        return this.#serving.respond(attachment, frame);
    }
  }

  reauthenticated(attachment: Attachment): void {
    this.#asking.reauthenticated(attachment);
    this.#serving.reauthenticated(attachment);
  }

  detached(attachment: Attachment): void {
    this.#asking.detached(attachment);
    this.#serving.detached(attachment);
  }

  async stop(): Promise<void> {
    this.#serving.stop();
  }
}
