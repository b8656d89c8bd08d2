/**
 * How an endpoint is defined: what it takes and answers as zod schemas, from which both the checks and the OpenAPI
 * document come, the role that it needs, and a handler that knows nothing of HTTP.
 *
 * The same for all: strict parameters, problem details, `no-store`, and server-sent events on what can be read.
 * @module
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Role } from "../../runtime/role.ts";
import { type Access, type Caller, mayAct } from "./access.ts";
import { eventsResponse, type LiveAnswers } from "./live.ts";
import { ProblemError, problemSchema } from "./problem.ts";

type Shape = z.ZodObject;
export type EndpointOptions<P extends Shape, Q extends Shape, B extends z.ZodType> = {
  readonly method: "get" | "post" | "patch" | "delete";
  /** As OpenAPI writes it: `/sessions/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /**
   * `claims`: who has no role is let in, the handler looks at the claims. `client`: also who has no credentials, where
   * such clients may connect.
   */
  readonly role: Role | "claims" | "client";
  /** False: it is asked once, and not told as events. */
  readonly follows?: false;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** Takes bytes instead of the body too; the handler reads them of the request. */
  readonly takesBytes?: boolean;
  readonly answer: z.ZodType;
  /** How it is told as events; absent: asked again every second, and told when it has changed. */
  readonly events?: (ask: Ask<z.infer<P>, z.infer<Q>, z.infer<B>>) => Promise<Response>;
  /** Of an error that this endpoint alone can have. */
  readonly problems?: readonly (404 | 409 | 413 | 422 | 501 | 507)[];
};
export type Ask<P, Q, B> = {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly caller: Caller;
  readonly request: Request;
  readonly remoteAddress: string;
};

export type RestApp = OpenAPIHono;
export type Common = {
  readonly app: RestApp;
  readonly access: Access;
  readonly live: LiveAnswers;
  /** As most transports have it by themselves, which then answer without problem details. */
  readonly bodyBytesMax: number;
};

const empty = z.strictObject({});
const json = (schema: z.ZodType) => ({ "application/json": { schema } });
const bytes = { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } };
const problem = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problemSchema } },
});

const said: Readonly<Record<number, string>> = {
  404: "There is no such thing",
  409: "It is not in a state in which that can be done",
  413: "Larger than a limit",
  422: "Understood, and cannot be done",
  501: "This gateway cannot do that",
  507: "The log is full",
};

export function endpoint<
  P extends Shape = typeof empty,
  Q extends Shape = typeof empty,
  B extends z.ZodType = z.ZodUndefined,
>(
  common: Common,
  options: EndpointOptions<P, Q, B>,
  handler: (ask: Ask<z.infer<P>, z.infer<Q>, z.infer<B>>) => unknown,
): void {
  const { app, access, live } = common;
  const { method, path, tag, summary, description, role, params, query, body, answer, problems = [] } = options;
  const takes = body === undefined ? {} : { ...json(body), ...(options.takesBytes === true ? bytes : {}) };
  const follows = method === "get" && options.follows !== false;
  const content = follows ? { ...json(answer), "text/event-stream": { schema: z.string() } } : json(answer);
  const route = createRoute({
    method,
    path,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    security: [{ bearer: [] }, { apiKey: [] }, ...(role === "client" ? [{}] : [])],
    request: {
      query: (query ?? empty) as Shape,
      ...(params === undefined ? {} : { params: params as Shape }),
      ...(body === undefined ? {} : { body: { required: options.takesBytes !== true, content: takes } }),
    },
    responses: {
      200: { description: summary, content },
      400: problem("The request is not as it should be"),
      401: problem("No credentials, or none that hold"),
      ...(role === "client" ? {} : { 403: problem(forbidden(role)) }),
      ...(body === undefined ? {} : { 415: problem("A body of another kind") }),
      503: problem("What holds the log, or the signing keys, cannot be reached now"),
      ...Object.fromEntries(problems.map((status) => [status, problem(said[status] ?? "")])),
    },
  });
  const middleware = async (context: Context, next: () => Promise<void>): Promise<void> => {
    const { headers } = context.req.raw;
    const caller = role === "client" ? await access.clientOf(headers) : await access.callerOf(headers);
    if (role !== "claims" && role !== "client" && !mayAct(caller, role))
      throw new ProblemError(
        403,
        "forbidden",
        `${caller.who} has the role ${caller.role ?? "none"}, ${role} is needed`,
      );
    context.set("caller", caller);
    await next();
  };
  const run = async (context: Context): Promise<Response> => {
    const caller = context.get("caller") as Caller;
    const valid = (part: string): never => context.req.valid(part as never) as never;
    const ask: Ask<z.infer<P>, z.infer<Q>, z.infer<B>> = {
      params: params === undefined ? ({} as never) : valid("param"),
      query: valid("query"),
      body: body === undefined ? (undefined as never) : valid("json"),
      caller,
      request: context.req.raw,
      remoteAddress: context.env.remoteAddress as string,
    };
    const wantsEvents = follows && context.req.header("accept")?.includes("text/event-stream") === true;
    if (wantsEvents && options.events !== undefined) return await options.events(ask);
    if (wantsEvents) {
      const key = `${caller.role} ${role === "claims" ? caller.who : ""} ${context.req.url}`;
      const again = async (): Promise<string> => JSON.stringify(await handler(ask));
      return eventsResponse(await live.stream({ key, ask: again, holds: () => access.holds(caller) }));
    }
    const value = await handler(ask);
    if (value instanceof Response) return value;
    return new Response(`${JSON.stringify(value)}\n`, {
      headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
    });
  };
  const bounds = body === undefined ? [] : [mediaType(Object.keys(takes)), bounded(common.bodyBytesMax)];
  app.openapi({ ...route, middleware: [middleware, ...bounds] } as never, run as never);
}

const isJson = /^application\/(?:[a-z.+-]+\+)?json\b/;

/** `accepted`: as the document names them. */
function mediaType(accepted: readonly string[]) {
  return async ({ req }: Context, next: () => Promise<void>): Promise<void> => {
    const type = req.header("content-type");
    const isGood = accepted.some((one) => type?.startsWith(one) === true) || isJson.test(type ?? "");
    if (!isGood) {
      const got = type === undefined ? "no Content-Type" : `"${type}"`;
      throw new ProblemError(415, "unsupportedMediaType", `Send ${accepted.join(" or ")}, got ${got}`);
    }
    await next();
  };
}

function forbidden(role: Role | "claims"): string {
  return role === "claims" ? "Neither a role nor a claim allows it" : `It needs the role ${role}`;
}

function bounded(maxSize: number) {
  const onError = (): never => {
    throw new ProblemError(413, "bodyTooLarge", `The body is larger than ${maxSize} bytes, send it in parts`);
  };
  return bodyLimit({ maxSize, onError });
}

const numbered = z.string().regex(/^\d{0,15}$/, 'must be "next" of the page before');
/** The handler looks at it. */
export const anyCursor = z.string().max(256);

/** `cursor` and `max` of every list; most cursors are numbers. */
export function pageQuery(maxDefault: number, maxMax: number, cursor = numbered) {
  return {
    cursor: cursor.default("").openapi({ description: "`next` of the page before; none: the first page" }),
    max: z.coerce
      .number()
      .int()
      .min(1)
      .max(maxMax)
      .default(maxDefault)
      .openapi({ description: "Items of a page, at most", type: "integer" }),
  };
}

export function pageOf(item: z.ZodType, name: string) {
  return z
    .strictObject({
      items: z.array(item),
      next: z.string().optional().openapi({ description: "Absent: the last page" }),
    })
    .openapi(name);
}
