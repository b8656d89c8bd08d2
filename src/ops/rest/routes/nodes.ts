/**
 * Nodes of the cluster as this one sees them.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { endpoint, pageOf } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound, ProblemError } from "../problem.ts";
import { memberSchema, nodeSchema } from "../schemas.ts";

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
const state = z.strictObject({ state: z.enum(["running", "draining", "stopping"]) }).openapi("NodeState");

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
  const common = { path, tag: "nodes", role: "operator", params: id, answer: state, problems: [409] } as const;
  endpoint(
    parts,
    {
      ...common,
      method: "post",
      summary: "Send every client elsewhere and take no new ones; the process goes on",
      query: z.strictObject({ reason: z.string().min(1).max(256).default("drained by an operator") }),
    },
    async ({ params, query, caller }) => {
      here(params.id);
      const before = gateway.inspect().node().state;
      const change = { action: "node.drain", target: `node/${params.id}`, before, after: `draining: ${query.reason}` };
      await audit.perform(caller, change, () => gateway.control().drain(query.reason));
      return { state: gateway.inspect().node().state };
    },
  );
  endpoint(parts, { ...common, method: "delete", summary: "Take clients again" }, async ({ params, caller }) => {
    here(params.id);
    const before = gateway.inspect().node().state;
    const change = { action: "node.undrain", target: `node/${params.id}`, before, after: "running" };
    await audit.perform(caller, change, () => gateway.control().undrain());
    return { state: gateway.inspect().node().state };
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
