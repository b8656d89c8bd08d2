/**
 * The balancer: which node a client belongs to, and why clients were sent where.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { Location } from "../../../actors/balancer/candidate.ts";
import type { Asker } from "../../../runtime/cluster/assigner.ts";
import { decisionsMax } from "../../../runtime/cluster/assigner.ts";
import { type Ask, endpoint, pageOf } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { ProblemError } from "../problem.ts";
import { time } from "../schemas.ts";

const why = z
  .looseObject({ rule: z.string().openapi({ description: "Name of the rule, `docs/balancing.md` tells the others" }) })
  .openapi("Why", { description: "The numbers that decided" });
const text = z.string().openapi({ description: "The same for people: `powerOfTwo: a 12 < b 40`" });

const assigned = z
  .strictObject({
    node: z.string(),
    url: z.string().openapi({ description: "To connect to" }),
    ticket: z.string().openapi({ description: "For HELLO there, good for a minute" }),
    why,
    text,
  })
  .openapi("Assigned");
const decision = z
  .strictObject({
    at: time,
    way: z.enum(["assign", "redirect", "stay"]).openapi({
      description:
        "`assign`: asked over REST · `redirect`: sent elsewhere in the handshake · `stay`: served where it came",
    }),
    node: z.string().openapi({ description: "That the rule chose; `stay`: it was not better enough" }),
    session: z.string().optional(),
    subject: z.string(),
    key: z.string().optional().openapi({ description: "By which affinity keeps it" }),
    why,
    text,
  })
  .openapi("Decision");

const degrees = /^(-?\d{1,2}(?:\.\d+)?),(-?\d{1,3}(?:\.\d+)?)$/;
const assignQuery = z.strictObject({
  session: z.string().min(1).max(64).optional().openapi({ description: "That the client means to resume" }),
  key: z.string().min(1).max(256).optional().openapi({ description: "Clients with the same key get the same node" }),
  location: z
    .string()
    .max(64)
    .regex(degrees, "must be <latitude>,<longitude> in degrees")
    .optional()
    .openapi({ description: "Where the client is: `52.52,13.41`. None: where its address is" }),
});

export function balancerRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/balancer/assign",
      tag: "balancer",
      summary: "The node that a client belongs to, and a ticket for it",
      description: "For clients: with a token, or without one where clients without one may connect.",
      role: "client",
      follows: false,
      query: assignQuery,
      answer: assigned,
    },
    async (ask) => {
      const found = await parts.gateway.control().assign(askerOf(ask));
      if (found === undefined) throw new ProblemError(503, "noNode", "No node takes clients now, ask again");
      return found;
    },
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/balancer/decisions",
      tag: "balancer",
      summary: "Why clients were sent where: the last decisions of the node that answers, newest first",
      role: "viewer",
      query: z.strictObject({
        max: z.coerce.number().int().min(1).max(decisionsMax).default(50).openapi({ type: "integer" }),
      }),
      answer: pageOf(decision, "DecisionPage"),
    },
    ({ query }) => ({ items: parts.gateway.inspect().decisions().slice(0, query.max) }),
  );
}

function askerOf({ query, caller, remoteAddress }: Ask<unknown, z.infer<typeof assignQuery>, unknown>): Asker {
  const { session, key } = query;
  const location = query.location === undefined ? undefined : locationOf(query.location);
  return {
    subject: caller.subject ?? "",
    ...(remoteAddress === "" ? {} : { address: remoteAddress }),
    ...(session === undefined ? {} : { session }),
    ...(key === undefined ? {} : { key }),
    ...(location === undefined ? {} : { location }),
  };
}

function locationOf(text: string): Location {
  const [, latitude = "", longitude = ""] = degrees.exec(text) ?? [];
  const location = { latitude: Number(latitude), longitude: Number(longitude) };
  if (Math.abs(location.latitude) <= 90 && Math.abs(location.longitude) <= 180) return location;
  const said = `Location ${text} is nowhere: latitude is -90 to 90, longitude -180 to 180`;
  throw new ProblemError(400, "badRequest", said);
}
