/**
 * Who is present on a topic, on all gateways of the log.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { isReserved, matches, topicProblem } from "../../../protocol/topic.ts";
import { type Caller, mayAct } from "../access.ts";
import { anyCursor, endpoint, pageQuery } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { ProblemError } from "../problem.ts";
import { contentOf } from "../record-view.ts";
import { anything, time } from "../schemas.ts";

const pageBytesMax = 4 * 1_048_576;
const topic = z.strictObject({ topic: z.string().min(1).max(256) });
const memberSchema = z
  .strictObject({
    session: z.string(),
    subject: z.string(),
    since: time,
    node: z.string().openapi({ description: "The gateway that has it" }),
    encoding: z.enum(["json", "text", "base64"]).optional(),
    data: anything.optional().openapi({ description: "What it told of itself; absent: nothing" }),
  })
  .openapi("PresenceMember");

export function presenceRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/topics/{topic}/presence",
      tag: "topics",
      summary: "Who is present on a topic, in order of their sessions",
      description: "Needs the role viewer, or a token whose `subscribe` claim covers the topic.",
      role: "claims",
      params: topic,
      query: z.strictObject(pageQuery(100, 1_000, anyCursor)),
      answer: z
        .strictObject({ items: z.array(memberSchema), total: z.int().min(0), next: z.string().optional() })
        .openapi("PresencePage"),
    },
    ({ params, query: { cursor, max }, caller }) => {
      mustSee(caller, params.topic);
      const range = { limit: max, bytesMax: pageBytesMax, ...(cursor === "" ? {} : { cursor }) };
      const { total, members, next } = parts.gateway.inspect().presence(params.topic, range);
      const items = members.map(({ session, subject, since, source, data }) => {
        const told = data === undefined ? undefined : contentOf(data);
        const content = told === undefined ? {} : { encoding: told.encoding, data: told.payload };
        return { session, subject, since, node: source.node, ...content };
      });
      return { items, total, ...(next === undefined ? {} : { next }) };
    },
  );
}

function mustSee(caller: Caller, name: string): void {
  const problem = topicProblem(name) ?? (isReserved(name) ? `Topic "${name}" is reserved` : undefined);
  if (problem !== undefined) throw new ProblemError(400, "badTopic", problem, [{ at: "$.topic", message: problem }]);
  if (mayAct(caller, "viewer") || caller.subscribe.some((claim) => matches(claim, name))) return;
  throw new ProblemError(403, "subscribeForbidden", `Neither a role nor a subscribe claim covers "${name}"`);
}
