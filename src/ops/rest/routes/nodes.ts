/**
 * Nodes of the cluster, as far as this one knows them, and pools.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { endpoint, pageOf } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound, ProblemError } from "../problem.ts";
import { nodeSchema, time } from "../schemas.ts";

const leases = "node/";
const leasesMax = 1_000;
const decoder = new TextDecoder();

const row = z
  .strictObject({
    id: z.string(),
    self: z.boolean().openapi({ description: "It is the one that answers" }),
    state: z.enum(["running", "draining", "stopping", "alive"]).openapi({
      description: "`alive`: another node, whose lease on the shared log holds",
    }),
    seenAt: time.optional(),
    node: nodeSchema.optional().openapi({ description: "Of the node that answers" }),
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
      summary: "Nodes that share the log: this one, and those whose lease holds",
      role: "viewer",
      answer: pageOf(row, "NodePage"),
    },
    async () => ({ items: await nodesOf(parts) }),
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
    async ({ params }) => {
      const found = (await nodesOf(parts)).find((node) => node.id === params.id);
      if (found === undefined) throw notFound(`No node ${params.id} is alive`);
      return found;
    },
  );
  drainRoutes(parts);
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/pools",
      tag: "nodes",
      summary: "Connection pools: none in this release",
      description: "The resource is here so that its address stays; pools arrive in a later release.",
      role: "viewer",
      answer: pageOf(z.strictObject({ id: z.string() }), "PoolPage"),
    },
    () => ({ items: [] }),
  );
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

async function nodesOf({ gateway, log }: RestParts): Promise<z.infer<typeof row>[]> {
  const node = gateway.inspect().node();
  const self = { id: node.id, self: true, state: node.state, node };
  if (!log.info().shared) return [self];
  const held = await log.keyValue.list(leases, leases, leasesMax);
  const others = held
    .filter(({ key }) => key.slice(leases.length) !== node.id)
    .map(({ key, value }) => {
      const { at } = JSON.parse(decoder.decode(value)) as { at: number };
      return { id: key.slice(leases.length), self: false, state: "alive" as const, seenAt: at };
    });
  return [self, ...others];
}
