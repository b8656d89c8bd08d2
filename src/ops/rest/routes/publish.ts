/**
 * Publishing for services that speak HTTP: one record or many, JSON or bytes, at most once per idempotency key.
 * @module
 */
import { createHash } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { errorCodes } from "../../../protocol/error-code.ts";
import { type Lane, type LaneName, laneNames } from "../../../protocol/lane.ts";
import type { Limits } from "../../../protocol/limits.ts";
import type { Publication } from "../../../runtime/inspection.ts";
import { PublishCheck } from "../../../runtime/session/publish-check.ts";
import { type Caller, mayAct } from "../access.ts";
import { type Ask, endpoint } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { ProblemError } from "../problem.ts";
import { anything, seq } from "../schemas.ts";

const batchMax = 1_000;
const keyCharsMax = 256;

const recordSchema = z
  .strictObject({
    topic: z.string().min(1).max(256),
    payload: anything.optional().openapi({ description: "Stored as JSON" }),
    text: z.string().optional().openapi({ description: "Stored as it is, instead of `payload`" }),
    base64: z
      .base64()
      .optional()
      .openapi({ description: "Stored as the bytes that it stands for, instead of `payload`" }),
    lane: z.enum(laneNames).default("normal"),
    headers: z.record(z.string(), z.string()).optional(),
  })
  .openapi("NewRecord");
type Given = z.infer<typeof recordSchema>;
const bodySchema = z.strictObject({ records: z.array(recordSchema).min(1).max(batchMax) }).openapi("Publication");
const querySchema = z.strictObject({
  topic: z.string().min(1).max(256).optional().openapi({ description: "Of a body of bytes" }),
  lane: z.enum(laneNames).optional().openapi({ description: "Of a body of bytes" }),
});

type NewRecord = Publication["records"][number];
type PublishAsk = Ask<Record<string, never>, z.infer<typeof querySchema>, z.infer<typeof bodySchema>>;

export function publishRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "post",
      path: "/api/v1/publish",
      tag: "publish",
      summary: "Publish records: all of them or none",
      description: [
        `JSON: up to ${batchMax} records in one step. \`application/octet-stream\`: one record, \`?topic=\` names its topic.`,
        "With the header `Idempotency-Key` the same request again within 24 hours is answered and not stored.",
        "Needs the role operator, or a token whose `publish` claim covers each topic.",
      ].join(" "),
      role: "claims",
      query: querySchema,
      body: bodySchema,
      takesBytes: true,
      answer: z
        .strictObject({
          seqs: z
            .array(seq)
            .openapi({ description: "Of each record; 0: stored before, its place is not known any more" }),
          duplicate: z.boolean().openapi({ description: "It was stored before" }),
        })
        .openapi("Published"),
      problems: [413, 422, 507],
    },
    async (ask) => {
      const { records, digest } = await recordsOf(ask, parts.limits());
      const key = keyOf(ask.request.headers, ask.caller);
      const result = await parts.gateway
        .control()
        .publish({ records, ...(key === undefined ? {} : { idempotencyKey: key, digest }) });
      if (result.ok) return { seqs: [...result.seqs], duplicate: result.duplicate };
      const status = { keyUsedForAnother: 422, unavailable: 503, full: 507 } as const;
      throw new ProblemError(status[result.code], result.code, result.message);
    },
  );
}

type Read = { readonly records: readonly NewRecord[]; readonly digest: string };

async function recordsOf(ask: PublishAsk, limits: Limits): Promise<Read> {
  const { caller, query, request } = ask;
  const type = request.headers.get("content-type") ?? "";
  if (type.startsWith("application/octet-stream")) return bytesOf(ask, limits);
  if (query.topic !== undefined || query.lane !== undefined)
    throw new ProblemError(
      400,
      "badRequest",
      "topic and lane in the address are of a body of bytes; JSON names them itself",
    );
  const given = ask.body.records;
  if (given === undefined) throw new ProblemError(400, "badRequest", "The body has no records");
  const records = given.map((one, index) => toRecord(one, `$.records[${index}]`, caller));
  mustPublish(caller, records, limits);
  return { records, digest: createHash("sha256").update(JSON.stringify(given)).digest("base64url") };
}

async function bytesOf({ caller, query, request }: PublishAsk, limits: Limits): Promise<Read> {
  const { topic, lane = "normal" } = query;
  if (topic === undefined) throw new ProblemError(400, "badRequest", "A body of bytes needs ?topic=");
  const payload = new Uint8Array(await request.arrayBuffer());
  const record = { topic, lane: laneOf(lane), payload, headers: { "weir-publisher": caller.who } };
  mustPublish(caller, [record], limits);
  const digest = createHash("sha256").update(`${topic}\n${lane}\n`).update(payload).digest("base64url");
  return { records: [record], digest };
}

function toRecord(given: Given, at: string, caller: Caller): NewRecord {
  const { topic, payload, text, base64, lane, headers } = given;
  const ways = [payload, text, base64].filter((one) => one !== undefined).length;
  if (ways !== 1)
    throw new ProblemError(400, "badRequest", `A record holds one of payload, text and base64, ${at} holds ${ways}`, [
      { at, message: "expected one of payload, text, base64" },
    ]);
  const bytes = base64 === undefined ? Buffer.from(text ?? JSON.stringify(payload)) : Buffer.from(base64, "base64");
  return {
    topic,
    lane: laneOf(lane),
    payload: new Uint8Array(bytes),
    headers: { ...headers, "weir-publisher": caller.who },
  };
}

const laneOf = (name: LaneName): Lane => laneNames.indexOf(name) as Lane;

/** The same rules as for clients: topic, permission, sizes. */
function mustPublish(caller: Caller, records: readonly NewRecord[], limits: Limits): void {
  const publish = mayAct(caller, "operator") ? [">"] : caller.publish;
  const check = new PublishCheck({ subject: caller.who, publish, subscribe: [] }, limits);
  for (const [index, record] of records.entries()) {
    const problem = check.problem(record);
    if (problem === undefined) continue;
    const { name, message } = problem;
    const status = name === "publishForbidden" ? 403 : name.endsWith("TooLarge") ? 413 : 422;
    const detail = `${message}. ${name === "publishForbidden" ? howToPublish(caller) : errorCodes[name].advice}`;
    throw new ProblemError(status, name, detail, [{ at: `$.records[${index}]`, message }]);
  }
}

/** A key has a role and no claims. */
function howToPublish({ who, role }: Caller): string {
  if (!who.startsWith("key ")) return `${errorCodes.publishForbidden.advice}, or for one with the role operator`;
  return `${who} has the role ${role}: publish with a key of the role operator, or with a token that may`;
}

/** Of one caller: two services may use the same words. */
function keyOf(headers: Headers, { who }: Caller): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === null) return undefined;
  if (key === "" || key.length > keyCharsMax)
    throw new ProblemError(
      400,
      "badRequest",
      `Idempotency-Key has ${key.length} characters, 1 to ${keyCharsMax} are allowed`,
    );
  return `${who}\n${key}`;
}
