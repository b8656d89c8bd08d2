/**
 * Looking back: what an actor was at any moment, how it came there and why, who has a record, who is behind. The same
 * functions as of the command line, over the log of this node.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ActorKey, At } from "../../replay/actor.ts";
import { actorKindNames, UnknownKindError } from "../../replay/actor-kinds.ts";
import { diffInspections } from "../../replay/diff.ts";
import { CursorError, inspectActor, listActors, timeline, UnknownActorError } from "../../replay/inspect.ts";
import { lagOf, lagOfSession } from "../../replay/lag.ts";
import { whoHas } from "../../replay/ledger.ts";
import type { LiveState } from "../../replay/live.ts";
import { whyOf } from "../../replay/why.ts";
import { anyCursor, endpoint, pageOf, pageQuery } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound, ProblemError } from "../problem.ts";
import {
  actorSchema,
  differenceSchema,
  findingSchema,
  inspectionSchema,
  lagSchema,
  ledgerSchema,
  timelineSchema,
} from "../replay-schemas.ts";

const kinds = actorKindNames as [string, ...string[]];
const kind = z.enum(kinds).openapi({ description: "Kind of an actor" });
const id = z.string().min(1).max(256);
const place = z.coerce.number().int().min(0).optional();
const at = {
  seq: place.openapi({ description: "After this event", type: "integer" }),
  time: place.openapi({ description: "At this time, milliseconds since 1970", type: "integer" }),
};
const max = z.coerce.number().int().min(1).max(1_000).default(100).openapi({ type: "integer" });
const after = z.coerce
  .number()
  .int()
  .min(0)
  .default(0)
  .openapi({ description: "Events after this one", type: "integer" });

/** Coercion takes null, which the document would read as "may be left out". */
const event = z.coerce
  .number()
  .int()
  .min(0)
  .openapi({ type: "integer", description: "Number of an event; 0: before the first", param: { required: true } });

export function replayRoutes(parts: RestParts): void {
  actorRoutes(parts, { path: "/api/v1/journals/{kind}/{id}", params: z.strictObject({ kind, id }), tag: "journals" });
  actorRoutes(parts, { path: "/api/v1/sessions/{id}", params: z.strictObject({ id }), tag: "sessions" });
  listRoutes(parts);
  recordRoutes(parts);
}

function listRoutes(parts: RestParts): void {
  const { log } = parts;
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/journals",
      tag: "journals",
      summary: "Kinds of actors whose journals can be looked into",
      role: "viewer",
      answer: z.strictObject({ items: z.array(z.strictObject({ kind: z.string() })) }).openapi("Journals"),
    },
    () => ({ items: actorKindNames.map((name) => ({ kind: name })) }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/journals/{kind}",
      tag: "journals",
      summary: "Actors of a kind, in order of id: state, first and last event",
      description: "With `state` a page may hold fewer than `max` and still have a next one.",
      role: "viewer",
      params: z.strictObject({ kind }),
      query: z.strictObject({ ...pageQuery(100, 1_000, anyCursor), state: z.string().max(64).optional() }),
      answer: pageOf(actorSchema, "ActorPage"),
    },
    async ({ params, query: { cursor, max: most, state } }) => {
      const asked = { kind: params.kind, cursor, max: most, ...(state === undefined ? {} : { state }) };
      const page = await known(() => listActors(log, asked));
      return { items: page.actors, ...(page.next === undefined ? {} : { next: page.next }) };
    },
  );
}

type Where = { readonly path: string; readonly params: z.ZodObject; readonly tag: string };

/** The same for any journal and, shorter, for sessions. */
function actorRoutes(parts: RestParts, { path, params, tag }: Where): void {
  const { log } = parts;
  const live = liveOf(parts);
  const keyOf = (given: unknown): ActorKey => ({ kind: "session", ...(given as { id: string }) });
  const common = { method: "get", tag, role: "viewer", params, problems: [404] } as const;
  endpoint(
    parts,
    {
      ...common,
      path: `${path}/state`,
      summary: "State at a moment: folded from its journal; without a moment now, with what the node adds",
      query: z.strictObject(at),
      answer: inspectionSchema,
    },
    ({ params: given, query }) => known(() => inspectActor(log, keyOf(given), { ...momentOf(query), live })),
  );
  endpoint(
    parts,
    {
      ...common,
      path: `${path}/diff`,
      summary: "What is different between two events",
      query: z.strictObject({
        a: event,
        b: event,
      }),
      answer: z.strictObject({ items: z.array(differenceSchema) }).openapi("Differences"),
    },
    ({ params: given, query }) =>
      known(async () => {
        const key = keyOf(given);
        const [from, to] = await Promise.all([query.a, query.b].map((seq) => inspectActor(log, key, { at: { seq } })));
        return { items: from === undefined || to === undefined ? [] : diffInspections(from, to) };
      }),
  );
  endpoint(
    parts,
    {
      ...common,
      path: `${path}/timeline`,
      summary: "Its events in order",
      query: z.strictObject({ after, max }),
      answer: pageOf(timelineSchema, tag === "sessions" ? "SessionTimeline" : "Timeline"),
    },
    ({ params: given, query }) =>
      known(async () => {
        const items = await timeline(log, keyOf(given), query);
        const last = items[items.length - 1];
        return { items, ...(last === undefined || items.length < query.max ? {} : { next: String(last.seq) }) };
      }),
  );
  endpoint(
    parts,
    {
      ...common,
      path: `${path}/why`,
      summary: "Causes of what went wrong with it, each with advice and the setting to change",
      answer: z
        .strictObject({ items: z.array(findingSchema) })
        .openapi(tag === "sessions" ? "SessionFindings" : "Findings"),
    },
    ({ params: given }) => known(async () => ({ items: await whyOf(log, keyOf(given)) })),
  );
}

function recordRoutes(parts: RestParts): void {
  const { log } = parts;
  const live = liveOf(parts);
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/topics/{topic}/records/{seq}/ledger",
      tag: "topics",
      summary: "Who should have a record, and what became of it",
      role: "viewer",
      params: z.strictObject({
        topic: z.string().min(1).max(256),
        seq: z.coerce.number().int().min(1).openapi({ type: "integer" }),
      }),
      query: z.strictObject({ max }),
      answer: ledgerSchema,
    },
    ({ params, query }) => whoHas(log, params.topic, params.seq, { live, max: query.max }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/lag",
      tag: "sessions",
      summary: "Sessions that are behind, the furthest first",
      description: "Counted from the log, up to a bound for each subscription: it reads, so ask it seldom.",
      role: "viewer",
      query: z.strictObject({ max }),
      answer: z.strictObject({ sessions: z.array(lagSchema), lastSeq: z.int(), more: z.boolean() }).openapi("LagPage"),
    },
    ({ query }) => lagOf(log, { max: query.max, live }),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/sessions/{id}/lag",
      tag: "sessions",
      summary: "How far one session is behind, by filter",
      role: "viewer",
      params: z.strictObject({ id }),
      answer: lagSchema,
      problems: [404],
    },
    async ({ params }) => {
      const lag = await lagOfSession(log, params.id, live);
      if (lag === undefined) throw notFound(`No open session ${params.id} is in the log`);
      return lag;
    },
  );
}

function liveOf({ gateway }: RestParts): LiveState {
  const inspector = gateway.inspect();
  return {
    session: async (session) => inspector.session(session),
    connection: async (connection) => inspector.connection(connection),
  };
}

function momentOf({ seq, time }: { seq?: number | undefined; time?: number | undefined }): { readonly at?: At } {
  if (seq !== undefined && time !== undefined)
    throw new ProblemError(400, "badRequest", "seq and time name two moments, give one of them");
  if (seq !== undefined) return { at: { seq } };
  return time === undefined ? {} : { at: { time } };
}

async function known<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof UnknownActorError || error instanceof UnknownKindError) throw notFound(error.message);
    if (error instanceof CursorError)
      throw new ProblemError(400, "badRequest", error.message, [{ at: "$.cursor", message: error.message }]);
    throw error;
  }
}
