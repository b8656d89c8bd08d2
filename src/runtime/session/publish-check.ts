/**
 * Decides whether one publish may go to the log: topic, permission, sizes.
 *
 * Remembers, within bounds, the topics that it allowed, so that the usual case is one look-up.
 * @module
 */
import type { ErrorName } from "../../protocol/error-code.ts";
import type { Headers, PublishRecord } from "../../protocol/frame.ts";
import { clipped } from "../../protocol/frame-reader.ts";
import type { Limits } from "../../protocol/limits.ts";
import { isReserved, matches, topicProblem } from "../../protocol/topic.ts";
import { utf8Length } from "../../protocol/utf8.ts";
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

  problem(record: Pick<PublishRecord, "topic" | "payload" | "headers">): PublishProblem | undefined {
    const { payload, headers, topic } = record;
    if (payload.byteLength > this.#limits.payloadBytesMax) {
      return {
        name: "payloadTooLarge",
        message: `Payload has ${payload.byteLength} bytes, at most ${this.#limits.payloadBytesMax} are allowed`,
      };
    }
    const tooLarge = headers === undefined ? undefined : headersProblem(headers, this.#limits);
    if (tooLarge !== undefined) return { name: "headersTooLarge", message: tooLarge };
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

/** Why headers are too many or too long, as a sentence. */
export function headersProblem(headers: Headers, limits: Limits): string | undefined {
  const { headersPerRecordMax, headersBytesMax, textBytesMax } = limits;
  let [count, bytes] = [0, 0];
  for (const name in headers) {
    const [nameBytes, valueBytes] = [utf8Length(name), utf8Length(headers[name] as string)];
    const longest = Math.max(nameBytes, valueBytes);
    if (longest > textBytesMax)
      return `Header "${clipped(name)}" has ${longest} bytes in its name or value, at most ${textBytesMax} are allowed`;
    count += 1;
    bytes += nameBytes + valueBytes;
  }
  if (count > headersPerRecordMax) return `${count} headers, at most ${headersPerRecordMax} are allowed`;
  if (bytes > headersBytesMax) return `Headers have ${bytes} bytes, at most ${headersBytesMax} are allowed`;
  return undefined;
}
