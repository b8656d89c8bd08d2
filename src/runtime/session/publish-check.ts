/**
 * Decides whether one publish may go to the log: topic, permission, sizes.
 *
 * Remembers, within bounds, the topics that it allowed, so that the usual case is one look-up.
 * @module
 */
import type { ErrorName } from "../../protocol/error-code.ts";
import type { Headers, PublishRecord } from "../../protocol/frame.ts";
import type { Limits } from "../../protocol/limits.ts";
import { isReserved, matches, topicProblem } from "../../protocol/topic.ts";
import type { Identity } from "../ports.ts";

export type PublishProblem = { readonly name: ErrorName; readonly message: string };
const rememberedMax = 4_096;

export class PublishCheck {
  readonly #limits: Limits;
  readonly #allowed = new Set<string>();
  #identity: Identity;

  constructor(identity: Identity, limits: Limits) {
    this.#identity = identity;
    this.#limits = limits;
  }

  set identity(identity: Identity) {
    this.#identity = identity;
    this.#allowed.clear();
  }

  problem(record: PublishRecord): PublishProblem | undefined {
    const { payload, headers, topic } = record;
    if (payload.byteLength > this.#limits.payloadBytesMax) {
      return {
        name: "payloadTooLarge",
        message: `Payload has ${payload.byteLength} bytes, at most ${this.#limits.payloadBytesMax} are allowed`,
      };
    }
    if (headers !== undefined && headersBytes(headers) > this.#limits.headersBytesMax) {
      return {
        name: "headersTooLarge",
        message: `Headers have ${headersBytes(headers)} bytes, at most ${this.#limits.headersBytesMax} are allowed`,
      };
    }
    return this.#allowed.has(topic) ? undefined : this.#topicProblem(topic);
  }

  #topicProblem(topic: string): PublishProblem | undefined {
    const problem = topicProblem(topic, this.#limits);
    if (problem !== undefined) return { name: "badTopic", message: problem };
    if (isReserved(topic)) return { name: "reservedTopic", message: `Topic "${topic}" is reserved` };
    if (!this.#identity.publish.some((filter) => matches(filter, topic))) {
      return { name: "publishForbidden", message: `Topic "${topic}" is not covered by the publish claim` };
    }
    if (this.#allowed.size >= rememberedMax) this.#allowed.clear();
    this.#allowed.add(topic);
    return undefined;
  }
}

function headersBytes(headers: Headers): number {
  let bytes = 0;
  for (const name in headers) bytes += Buffer.byteLength(name) + Buffer.byteLength(headers[name] as string);
  return bytes;
}
