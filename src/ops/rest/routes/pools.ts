/**
 * Pools: what they are given and how far they are; made, changed, drained, deleted; their members weighted, drained, sent
 * away. Any node answers for all of them.
 * @module
 */
import { z } from "@hono/zod-openapi";
import {
  type PoolScaling,
  type PoolSettings,
  poolBounds,
  poolDefaults,
  poolStrategies,
  scalers,
  scalingDefaults,
} from "../../../actors/pool/settings.ts";
import type { Question } from "../../../runtime/pool/messages.ts";
import type { PoolView } from "../../../runtime/pool/pool-view.ts";
import type { PoolOutcome } from "../../../runtime/pool/pools.ts";
import type { Caller } from "../access.ts";
import { endpoint, pageOf } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound, ProblemError } from "../problem.ts";
import { seq, time } from "../schemas.ts";

const count = z.int().min(0);
const name = z
  .string()
  .min(1)
  .max(poolBounds.nameMax)
  .regex(/^[A-Za-z0-9_-]+$/);
const text = z.string().min(1).max(poolBounds.textMax);
const coolDown = z.int().min(0).max(poolBounds.coolDownMsMax);
const some = z.int().min(0).max(poolBounds.membersMax);

const scaling = z
  .strictObject({
    min: some.default(scalingDefaults.min),
    max: some.min(1).default(scalingDefaults.max),
    targetRatio: z.number().gt(0).max(1).default(scalingDefaults.targetRatio).openapi({
      description: "Share of the members' capacity that is to be in use",
    }),
    latencyMs: z.int().min(1).max(poolBounds.latencyMsMax).default(scalingDefaults.latencyMs).openapi({
      description: "No record should wait longer for a member",
    }),
    capacity: some.min(1).default(scalingDefaults.capacity).openapi({
      description: "What a member takes at once, as long as none has said it",
    }),
    upCoolDownMs: coolDown.default(scalingDefaults.upCoolDownMs),
    downCoolDownMs: coolDown.default(scalingDefaults.downCoolDownMs),
    by: z.enum(scalers).default(scalingDefaults.by).openapi({
      description:
        "What brings members: a number for others, commands on this machine, or connections that are dialled",
    }),
    command: z.array(text).max(poolBounds.commandMax).default([]),
    url: z.string().max(poolBounds.textMax).default(""),
  })
  .openapi("PoolScaling");
const changeable = {
  filters: z.array(z.string().min(1).max(256)).min(1).max(poolBounds.filtersMax),
  strategy: z.enum(poolStrategies),
  stickyHeader: z.string().max(poolBounds.headerMax).openapi({
    description: "Header by whose value a record stays with one member as long as that lives; empty: none",
  }),
  ackWaitMs: z.int().min(poolBounds.ackWaitMs.min).max(poolBounds.ackWaitMs.max),
  maxDeliver: z.int().min(0).max(poolBounds.maxDeliverMax),
  retryMs: z.int().min(0).max(poolBounds.retryMsMax),
};
const start = z.enum(["new", "all"]);
const settings = z.strictObject({ ...changeable, start, scaling: scaling.optional() }).openapi("PoolSettings");
const made = z
  .strictObject({
    name,
    filters: changeable.filters,
    strategy: changeable.strategy.default(poolDefaults.strategy),
    stickyHeader: changeable.stickyHeader.default(poolDefaults.stickyHeader),
    ackWaitMs: changeable.ackWaitMs.default(poolDefaults.ackWaitMs),
    maxDeliver: changeable.maxDeliver.default(poolDefaults.maxDeliver),
    retryMs: changeable.retryMs.default(poolDefaults.retryMs),
    start: start.default(poolDefaults.start).openapi({ description: "Where it begins in the log" }),
    scaling: scaling.optional(),
  })
  .openapi("NewPool");
const changed = z
  .strictObject({
    filters: changeable.filters.optional(),
    strategy: changeable.strategy.optional(),
    stickyHeader: changeable.stickyHeader.optional(),
    ackWaitMs: changeable.ackWaitMs.optional(),
    maxDeliver: changeable.maxDeliver.optional(),
    retryMs: changeable.retryMs.optional(),
    scaling: scaling.nullable().optional().openapi({ description: "null: it does not scale any more" }),
  })
  .openapi("PoolChanges");

const member = z
  .strictObject({
    id: z.string(),
    node: z.string(),
    session: z.string(),
    subject: z.string(),
    weight: z.number(),
    capacity: count,
    tags: z.array(z.string()),
    health: z.enum(["working", "draining", "ejected"]).openapi({
      description: "`ejected`: left out for a while, because it failed too often in a row",
    }),
    since: time,
    inFlight: count,
    waiting: count.openapi({ description: "Records that wait for this member and nobody else" }),
    done: count,
    failed: count,
    responseMs: z.number().optional(),
  })
  .openapi("PoolMember");
const pool = z
  .strictObject({
    name: z.string(),
    status: z.enum(["active", "draining"]),
    settings,
    createdAt: time,
    coordinator: z.string().optional().openapi({ description: "Node that gives out the work. Absent: none now" }),
    term: count.openapi({ description: "Coordinators so far" }),
    position: seq,
    waiting: count.openapi({ description: "Records read that wait for a member" }),
    behind: count.openapi({ description: "Records of the log that were not looked at yet, of any topic" }),
    oldestWaitMs: z.number(),
    inFlight: count,
    capacity: count,
    retrying: count.openapi({ description: "Records that failed and wait for their next try" }),
    done: count,
    failed: count,
    deadLettered: count,
    dispatches: count.openapi({ description: "Since this coordinator began" }),
    redispatches: count.openapi({ description: "Of these, as a later attempt" }),
    wanted: count.optional().openapi({ description: "Members that scaling wants" }),
    members: z.array(member),
  })
  .openapi("Pool");
const named = z.strictObject({ name });
const ofMember = z.strictObject({ name, member: z.string().min(1).max(256) });
const done = z.strictObject({ done: z.literal(true) }).openapi("PoolDone");

export function poolRoutes(parts: RestParts): void {
  readRoutes(parts);
  changeRoutes(parts);
  memberRoutes(parts);
}

function readRoutes(parts: RestParts): void {
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/pools",
      tag: "pools",
      summary: "Pools of all nodes, with their members",
      role: "viewer",
      answer: pageOf(pool, "PoolPage"),
    },
    async () => ({ items: await parts.gateway.pools().list() }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/pools/{name}",
      tag: "pools",
      summary: "One pool",
      role: "viewer",
      params: named,
      answer: pool,
      problems: [404],
    },
    async ({ params }) => await poolOf(parts, params.name),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/pools/{name}/scale",
      tag: "pools",
      summary: "How many members a pool wants, for what scales workers: KEDA's metrics-api, an HPA's external metric",
      role: "viewer",
      params: named,
      answer: z.strictObject({ wanted: count, members: count, waiting: count, inFlight: count }).openapi("PoolScale"),
      problems: [404, 422],
    },
    async ({ params }) => {
      const { wanted, members, waiting, inFlight } = await poolOf(parts, params.name);
      if (wanted === undefined) throw new ProblemError(422, "notScaled", `Pool ${params.name} has no scaling`);
      return { wanted, members: members.length, waiting, inFlight };
    },
  );
}

function changeRoutes(parts: RestParts): void {
  const { gateway, audit } = parts;
  const path = "/api/v1/pools/{name}";
  endpoint(
    parts,
    {
      method: "post",
      path: "/api/v1/pools",
      tag: "pools",
      summary: "Make a pool",
      description: "A pool whose scaling starts commands or dials addresses needs the role admin, too.",
      role: "operator",
      body: made,
      answer: done,
      problems: [409, 422],
    },
    async ({ body: { name: named, scaling: scales, ...rest }, caller }) => {
      const wanted: PoolSettings = { ...rest, ...(scales === undefined ? {} : { scaling: scales }) };
      mayScale(caller, wanted.scaling);
      const change = { action: "pool.create", target: `pool/${named}`, before: null, after: wanted };
      await audit.perform(caller, change, async () => {
        settle(await gateway.pools().create(named, wanted, caller.who), named);
      });
      return { done: true };
    },
  );
  endpoint(
    parts,
    {
      method: "patch",
      path,
      tag: "pools",
      summary: "Change settings of a pool; what is not named stays",
      role: "operator",
      params: named,
      body: changed,
      answer: done,
      problems: [404, 409, 422],
    },
    async ({ params, body, caller }) => {
      const before = (await poolOf(parts, params.name)).settings;
      const { scaling: scales, ...others } = body;
      const { scaling: scaled, ...rest } = before;
      const next = scales === undefined ? scaled : (scales ?? undefined);
      const after = { ...rest, ...present(others), ...(next === undefined ? {} : { scaling: next }) } as PoolSettings;
      if (scales !== undefined) mayScale(caller, next);
      const change = { action: "pool.configure", target: `pool/${params.name}`, before, after };
      await perform(
        parts,
        { caller, change, name: params.name },
        { type: "configure", settings: after, by: caller.who },
      );
      return { done: true };
    },
  );
  endpoint(
    parts,
    {
      method: "delete",
      path,
      tag: "pools",
      summary: "Delete a pool: its members are told, its records stay in the log",
      role: "operator",
      params: named,
      answer: done,
      problems: [404, 409],
    },
    async ({ params, caller }) => {
      const change = { action: "pool.delete", target: `pool/${params.name}`, before: "there", after: "deleted" };
      await perform(parts, { caller, change, name: params.name }, { type: "delete", by: caller.who });
      return { done: true };
    },
  );
  drainRoutes(parts);
}

function drainRoutes(parts: RestParts): void {
  const common = {
    path: "/api/v1/pools/{name}/drain",
    tag: "pools",
    role: "operator",
    params: named,
    answer: done,
    problems: [404, 409],
  } as const;
  const summaries = { post: "Give out nothing new; what is given out is finished", delete: "Give out work again" };
  for (const method of ["post", "delete"] as const) {
    endpoint(parts, { ...common, method, summary: summaries[method] }, async ({ params, caller }) => {
      const type = method === "post" ? "drain" : "resume";
      const change = { action: `pool.${type}`, target: `pool/${params.name}`, before: null, after: type };
      await perform(parts, { caller, change, name: params.name }, { type, by: caller.who });
      return { done: true };
    });
  }
}

function memberRoutes(parts: RestParts): void {
  const common = { tag: "pools", role: "operator", params: ofMember, answer: done, problems: [404, 409] } as const;
  const path = "/api/v1/pools/{name}/members/{member}";
  endpoint(
    parts,
    {
      ...common,
      method: "patch",
      path,
      summary: "Change the weight of a member",
      description: "Its id holds a slash: write `%2F`.",
      body: z.strictObject({ weight: z.int().min(1).max(1_000) }).openapi("PoolWeight"),
    },
    async ({ params, body: { weight }, caller }) => {
      const change = { action: "pool.weight", target: targetOf(params), before: null, after: { weight } };
      const question = { type: "weight", member: params.member, weight, by: caller.who } as const;
      await perform(parts, { caller, change, name: params.name }, question);
      return { done: true };
    },
  );
  endpoint(
    parts,
    { ...common, method: "delete", path, summary: "Send a member away; what it has goes to others" },
    async ({ params, caller }) => {
      const change = { action: "pool.remove", target: targetOf(params), before: null, after: "removed" };
      const question = { type: "removeMember", member: params.member, by: caller.who } as const;
      await perform(parts, { caller, change, name: params.name }, question);
      return { done: true };
    },
  );
  endpoint(
    parts,
    {
      ...common,
      method: "post",
      path: `${path}/drain`,
      summary: "Give a member nothing new; done with what it has, it is sent away",
    },
    async ({ params, caller }) => {
      const change = { action: "pool.drainMember", target: targetOf(params), before: null, after: "draining" };
      const question = { type: "drainMember", member: params.member, by: caller.who } as const;
      await perform(parts, { caller, change, name: params.name }, question);
      return { done: true };
    },
  );
}

const targetOf = ({ name: of, member: who }: z.infer<typeof ofMember>): string => `pool/${of}/${who}`;

type Change = {
  readonly caller: Caller;
  readonly name: string;
  readonly change: {
    readonly action: string;
    readonly target: string;
    readonly before: unknown;
    readonly after: unknown;
  };
};

async function perform({ gateway, audit }: RestParts, { caller, change, name: of }: Change, question: Question) {
  await audit.perform(caller, change, async () => settle(await gateway.pools().ask(of, question), of));
}

async function poolOf({ gateway }: RestParts, of: string): Promise<PoolView> {
  const view = await gateway.pools().view(of);
  if (view === undefined) throw notFound(`There is no pool ${of}`);
  return view;
}

/** What brings members may run commands on the machine of a gateway, or reach into its network. */
function mayScale(caller: Caller, scales: PoolScaling | undefined): void {
  if (scales === undefined || scales.by === "metric" || caller.role === "admin") return;
  throw new ProblemError(
    403,
    "forbidden",
    `${caller.who} has the role ${caller.role ?? "none"}, admin is needed to scale by ${scales.by}`,
  );
}

function settle(outcome: PoolOutcome, of: string): void {
  if (outcome.ok) return;
  const { because, message } = outcome;
  if (because === "poolUnknown") throw notFound(`There is no pool ${of}`);
  if (because === "notMember") throw notFound(`Pool ${of} has no such member`);
  if (because === "poolExists") throw new ProblemError(409, because, `There is a pool ${of} already`);
  if (because === "unavailable")
    throw new ProblemError(503, "poolUnavailable", `Nobody gives out the work of pool ${of} now, try again`);
  throw new ProblemError(422, because, message ?? `Pool ${of} refuses it: ${because}`);
}

function present<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Partial<T>;
}
