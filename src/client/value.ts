/**
 * Turns what the application publishes into a record that the wire can carry, or says why it cannot.
 *
 * Pure. Bytes stay bytes; anything else becomes JSON.
 * @module
 */

import { errorNumbers } from "../protocol/code-numbers.ts";
import { coreLimits as limits } from "../protocol/core-limits.ts";
import type { Headers, PublishRecord } from "../protocol/frame.ts";
import type { LaneName } from "../protocol/lane.ts";
import { filterProblem, topicProblem } from "../protocol/topic.ts";
import { fitsUtf8, utf8Length } from "../protocol/utf8.ts";
import { clientError, type WeirError, wireError } from "./errors.ts";
import { laneOf } from "./options.ts";

const utf8 = new TextEncoder();

export function makeRecord(
  topic: string,
  value: unknown,
  options: { headers?: Headers; priority?: LaneName; payloadBytesMax: number },
): PublishRecord {
  const problem = typeof topic === "string" ? topicProblem(topic) : `Topic is ${typeof topic}, not text`;
  if (problem !== undefined) throw refusal("badTopic", problem);
  const payload = payloadOf(topic, value);
  if (payload.byteLength > options.payloadBytesMax) {
    throw refusal(
      "payloadTooLarge",
      `Payload of ${topic} is ${payload.byteLength} bytes, the limit is ${options.payloadBytesMax}`,
    );
  }
  const { headers, priority } = options;
  if (headers !== undefined) checkHeaders(topic, headers);
  return {
    topic,
    payload,
    ...(priority === undefined ? {} : { lane: laneOf(priority) }),
    ...(headers === undefined ? {} : { headers: { ...headers } }),
  };
}

export function checkFilter(filter: string): void {
  const problem = typeof filter === "string" ? filterProblem(filter) : `Filter is ${typeof filter}, not text`;
  if (problem !== undefined) throw refusal("badFilter", problem);
}

function payloadOf(topic: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  let json: string | undefined;
  let why: unknown = `its type is ${typeof value}`;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    why = error; // A BigInt, a cycle, a toJSON that fails.
  }
  if (json === undefined)
    throw clientError("badArgument", `Payload of ${topic} is neither bytes nor JSON: ${why}`, why);
  return utf8.encode(json);
}

function checkHeaders(topic: string, headers: Headers): void {
  let bytes = 0;
  const entries = Object.entries(headers);
  for (const [name, value] of entries) {
    if (typeof value !== "string")
      throw clientError("badArgument", `Header "${name}" of ${topic} is ${typeof value}, not text`);
    if (!fitsUtf8(name, limits.textBytesMax))
      throw refusal("headersTooLarge", `A header name of ${topic} is longer than ${limits.textBytesMax} bytes`);
    bytes += utf8Length(name) + utf8Length(value);
  }
  if (entries.length > limits.headersPerRecordMax || bytes > limits.headersBytesMax) {
    throw refusal(
      "headersTooLarge",
      `Headers of ${topic} are ${entries.length} with ${bytes} bytes, the limits are ${limits.headersPerRecordMax} and ${limits.headersBytesMax}`,
    );
  }
}

function refusal(code: "badTopic" | "badFilter" | "payloadTooLarge" | "headersTooLarge", message: string): WeirError {
  return wireError({ code: errorNumbers[code], cause: code, message });
}
