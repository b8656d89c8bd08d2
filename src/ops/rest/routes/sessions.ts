/**
 * Sessions, connections and subscriptions of this node: what they are now, and how an operator ends them.
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { SessionView, ViewPage } from "../../../runtime/inspection.ts";
import { endpoint, pageOf, pageQuery } from "../endpoint.ts";
import type { RestParts } from "../parts.ts";
import { notFound } from "../problem.ts";
import { connectionSchema, heldSubscriptionSchema, sessionSchema } from "../schemas.ts";
import { mustBeFilter } from "./topics.ts";

const id = z.strictObject({ id: z.string().min(1).max(256) });
const ended = z.strictObject({ ended: z.literal(true) }).openapi("Ended");

export function sessionRoutes(parts: RestParts): void {
  const { gateway, audit } = parts;
  const inspector = gateway.inspect();
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/sessions",
      tag: "sessions",
      summary: "Sessions in the memory of this node, oldest first",
      description: "Attached, or waiting to be resumed. Those that ended are in the journals of kind `session`.",
      role: "viewer",
      query: z.strictObject({
        ...pageQuery(100, 500),
        status: z.enum(["attached", "detached"]).optional(),
        subject: z.string().max(256).optional(),
      }),
      answer: pageOf(sessionSchema, "SessionPage"),
    },
    ({ query: { cursor, max, status, subject } }) => {
      if (status === undefined && subject === undefined) return inspector.sessions(cursor, max);
      const wanted = (session: SessionView): boolean =>
        (status === undefined || session.status === status) && (subject === undefined || session.subject === subject);
      return filtered((at, count) => inspector.sessions(at, count), { cursor, max, wanted });
    },
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/sessions/{id}",
      tag: "sessions",
      summary: "One session: subscriptions, positions, what is in flight, credit, transactions",
      role: "viewer",
      params: id,
      answer: sessionSchema,
      problems: [404],
    },
    ({ params }) => inspector.session(params.id) ?? unknown("session", params.id),
  );
  endpoint(
    parts,
    {
      method: "post",
      path: "/api/v1/sessions/{id}/expire",
      tag: "sessions",
      summary: "End a session for good, attached or not",
      description: "Its client is told `sessionEnded`; what it had not processed is not delivered any more.",
      role: "operator",
      params: id,
      answer: ended,
      problems: [404],
    },
    async ({ params, caller }) => {
      const before = inspector.session(params.id)?.status ?? "in the log";
      const change = { action: "session.expire", target: `session/${params.id}`, before, after: "ended" };
      await audit.perform(caller, change, async () => {
        if ((await gateway.control().expire(params.id)) === "unknown") unknown("session", params.id);
      });
      return { ended: true };
    },
  );
  connectionRoutes(parts);
  subscriptionRoutes(parts);
}

function connectionRoutes(parts: RestParts): void {
  const { gateway, audit } = parts;
  const inspector = gateway.inspect();
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/connections",
      tag: "connections",
      summary: "Open connections of this node, oldest first",
      role: "viewer",
      query: z.strictObject(pageQuery(100, 500)),
      answer: pageOf(connectionSchema, "ConnectionPage"),
    },
    ({ query: { cursor, max } }) => inspector.connections(cursor, max),
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/connections/{id}",
      tag: "connections",
      summary: "One connection",
      description: "Its id holds a slash: write `node%2Fc7`.",
      role: "viewer",
      params: id,
      answer: connectionSchema,
      problems: [404],
    },
    ({ params }) => inspector.connection(params.id) ?? unknown("connection", params.id),
  );
  endpoint(
    parts,
    {
      method: "post",
      path: "/api/v1/connections/{id}/disconnect",
      tag: "connections",
      summary: "End a connection with close code 4304 and a cause",
      description: "Its session stays: the client may come back when it is let.",
      role: "operator",
      params: id,
      query: z.strictObject({ cause: z.string().min(1).max(64).default("disconnected") }),
      answer: ended,
      problems: [404],
    },
    async ({ params, query, caller }) => {
      const connection = inspector.connection(params.id) ?? unknown("connection", params.id);
      const after = { state: "closed", cause: query.cause };
      const change = { action: "connection.disconnect", target: `connection/${params.id}`, before: connection, after };
      await audit.perform(caller, change, () => {
        if (!gateway.control().disconnect(params.id, query.cause)) unknown("connection", params.id);
      });
      return { ended: true };
    },
  );
}

function subscriptionRoutes(parts: RestParts): void {
  const inspector = parts.gateway.inspect();
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/subscriptions",
      tag: "subscriptions",
      summary: "Subscriptions of the sessions of this node, all of a session in one page",
      role: "viewer",
      query: z.strictObject({
        ...pageQuery(100, 500),
        filter: z.string().max(256).optional().openapi({ description: "Exactly this filter" }),
        mode: z.enum(["live", "behind", "away"]).optional(),
      }),
      answer: pageOf(heldSubscriptionSchema, "SubscriptionPage"),
    },
    ({ query: { cursor, max, filter, mode } }) => {
      if (filter !== undefined) mustBeFilter(filter, "$.filter");
      const of = ({ id: session, subject, subscriptions }: SessionView) =>
        subscriptions
          .filter(
            (held) => (filter === undefined || held.filter === filter) && (mode === undefined || held.mode === mode),
          )
          .map((held) => ({ session, subject, ...held }));
      const wanted = (session: SessionView): boolean => of(session).length > 0;
      const page = filtered((at, count) => inspector.sessions(at, count), { cursor, max, wanted });
      return { ...page, items: page.items.flatMap(of) };
    },
  );
}

const scannedMax = 20_000;
const scanPage = 500;
type Wanted<T> = { readonly cursor: string; readonly max: number; readonly wanted: (item: T) => boolean };

/** A page of those that are wanted; it may hold fewer than `max` and still have a next one. */
function filtered<T>(
  page: (cursor: string, max: number) => ViewPage<T>,
  { cursor, max, wanted }: Wanted<T>,
): ViewPage<T> {
  const items: T[] = [];
  let at = cursor;
  for (let scanned = 0; scanned < scannedMax && items.length < max; scanned += scanPage) {
    // One by one near the end of a page, so that its cursor is the place of the last one.
    const { items: some, next } = page(at, Math.min(scanPage, max - items.length));
    items.push(...some.filter(wanted));
    if (next === undefined) return { items };
    at = next;
  }
  return { items, next: at };
}

function unknown(kind: string, name: string): never {
  throw notFound(`No ${kind} ${name} is on this node`);
}
