/**
 * Nodes of the cluster as this one sees them.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { endpoint, pageOf } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound, ProblemError } from "../problem.ts";
import { memberSchema, nodeSchema, time } from "../schemas.ts";

const row = z
  .strictObject({
    id: z.string(),
    self: z.boolean().openapi({ description: "It is the one that answers" }),
    member: memberSchema,
    node: nodeSchema.optional().openapi({ description: "Of the node that answers" }),
    journal: z.string().openapi({ description: "Where its history is: `/api/v1/journals/<this>/timeline`" }),
  })
  .openapi("NodeRow");
const id = z.strictObject({ id: z.string().min(1).max(128) });
const drainSchema = z
  .strictObject({
    reason: z.string(),
    share: z.number().optional().openapi({ description: "Of the clients that were here; absent: everybody" }),
    to: z.array(z.string()).optional().openapi({ description: "Nodes that they go to; absent: every healthy one" }),
    state: z.enum(["moving", "done"]),
    startedAt: time,
    waiting: z.int().openapi({ description: "Clients that have no slot yet" }),
    sent: z.int().openapi({ description: "That have a slot, and are still here" }),
    gone: z.int(),
    closed: z.int().openapi({ description: "Of those: closed, because they did not go in their slot" }),
  })
  .openapi("Drain");
const state = z
  .strictObject({ state: z.enum(["running", "draining", "stopping"]), drain: drainSchema.optional() })
  .openapi("NodeState", { description: "`drain`: under way, or the last one since the node took clients" });
const share = z.coerce.number().gt(0).max(1).default(1).openapi({ type: "number" });
const names = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}(,[A-Za-z0-9._-]{1,64}){0,255}$/)
  .optional();

export function nodeRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/nodes",
      tag: "nodes",
      summary: "Nodes that share the log, with status and load, as this one sees them",
      role: "viewer",
      answer: pageOf(row, "NodePage"),
    },
    () => ({ items: nodesOf(parts) }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/nodes/{id}",
      tag: "nodes",
      summary: "One node",
      role: "viewer",
      params: id,
      answer: row,
      problems: [404],
    },
    ({ params }) => {
      const found = nodesOf(parts).find((node) => node.id === params.id);
      if (found === undefined) throw notFound(`No node ${params.id} is known here`);
      return found;
    },
  );
  drainRoutes(parts);
}

function drainRoutes(parts: RestParts): void {
  const { gateway, audit } = parts;
  const path = "/api/v1/nodes/{id}/drain";
  const here = (node: string): void => {
    const { id: self } = gateway.inspect().node();
    if (node !== self) throw new ProblemError(409, "otherNode", `This is node ${self}; ask node ${node} itself`);
  };
  const stateNow = () => {
    const inspector = gateway.inspect();
    const drain = inspector.drain();
    return { state: inspector.node().state, ...(drain === undefined ? {} : { drain }) };
  };
  const common = { path, tag: "nodes", role: "operator", params: id, answer: state, problems: [409] } as const;
  endpoint(
    parts,
    {
      ...common,
      method: "post",
      summary: "Send clients to other nodes, each in a slot of its own; all of them, or a share; the process goes on",
      description:
        "Without a share nobody new is taken until DELETE; where there is no other node, all are closed at once. `to`: names of nodes, with commas.",
      query: z.strictObject({
        reason: z.string().min(1).max(256).default("drained by an operator"),
        share,
        to: names,
      }),
    },
    async ({ params, query, caller }) => {
      here(params.id);
      const to = query.to?.split(",");
      const request = {
        reason: query.reason,
        ...(query.share < 1 ? { share: query.share } : {}),
        ...(to === undefined ? {} : { to }),
      };
      const mayBeNowhere = query.share === 1 && to === undefined;
      if (!mayBeNowhere && gateway.inspect().drainTargets(to).length === 0)
        throw new ProblemError(409, "noTarget", `No healthy node ${query.to ?? "but this one"} to send clients to`);
      const before = gateway.inspect().node().state;
      const change = { action: "node.drain", target: `node/${params.id}`, before, after: request };
      await audit.perform(caller, change, () => gateway.control().drain(request));
      return stateNow();
    },
  );
  endpoint(
    parts,
    { ...common, method: "get", role: "viewer", summary: "How far the node's drain is, with server-sent events" },
    ({ params }) => {
      here(params.id);
      return stateNow();
    },
  );
  endpoint(parts, { ...common, method: "delete", summary: "Take clients again" }, async ({ params, caller }) => {
    here(params.id);
    const before = gateway.inspect().node().state;
    const change = { action: "node.undrain", target: `node/${params.id}`, before, after: "running" };
    await audit.perform(caller, change, () => gateway.control().undrain());
    return stateNow();
  });
}

function nodesOf({ gateway }: RestParts): z.infer<typeof row>[] {
  const inspector = gateway.inspect();
  const own = inspector.node();
  return inspector.members().map((member) => {
    const { node: id } = member;
    const about = { id, member, journal: `node/${encodeURIComponent(id)}` };
    return id === own.id ? { ...about, self: true, node: own } : { ...about, self: false };
  });
}
