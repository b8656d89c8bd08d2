/**
 * The REST API of a node: one application with all routes, its OpenAPI document and the page that shows it.
 * @module
 */
import { OpenAPIHono, type z } from "@hono/zod-openapi";
import { HTTPException } from "hono/http-exception";
import type { Limits } from "../../protocol/limits.ts";
import type { Gateway } from "../../runtime/gateway.ts";
import type { HttpHandler } from "../../runtime/http.ts";
import type { EventLog } from "../../runtime/log/event-log.ts";
import { UnavailableError } from "../../runtime/log/event-log.ts";
import type { Authenticator, Clock, Logger } from "../../runtime/ports.ts";
import { version } from "../../runtime/version.ts";
import type { LiveConfig } from "../config/live-config.ts";
import type { MetricsHistory } from "../telemetry/metrics-history.ts";
import { Access, type ApiKey } from "./access.ts";
import { Alerts } from "./alerts.ts";
import { Audit } from "./audit.ts";
import type { DiagnosticsParts } from "./diagnostics.ts";
import { docsResponse } from "./docs-page.ts";
import type { RestApp } from "./endpoint.ts";
import { LiveAnswers } from "./live.ts";
import { describeOpenEndpoints } from "./open-endpoints.ts";
import type { RestParts } from "./parts.ts";
import { notFound, ProblemError, type ProblemStatus, problemResponse } from "./problem.ts";
import { balancerRoutes } from "./routes/balancer.ts";
import { changeRoutes } from "./routes/changes.ts";
import { meRoutes } from "./routes/me.ts";
import { networkRoutes } from "./routes/network.ts";
import { nodeRoutes } from "./routes/nodes.ts";
import { poolRoutes } from "./routes/pools.ts";
import { presenceRoutes } from "./routes/presence.ts";
import { publishRoutes } from "./routes/publish.ts";
import { replayRoutes } from "./routes/replay.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { settingRoutes } from "./routes/settings.ts";
import { statsRoutes } from "./routes/stats.ts";
import { topicRoutes } from "./routes/topics.ts";
import { Samples } from "./samples.ts";

export type RestOptions = {
  readonly gateway: Gateway;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Those in force now. */
  readonly limits: () => Limits;
  /** Of clients: their tokens are good here too. */
  readonly authenticator: Authenticator;
  readonly keys: () => readonly ApiKey[];
  readonly config?: LiveConfig | undefined;
  readonly accessWith?: RestParts["accessWith"];
  readonly history?: MetricsHistory | undefined;
  readonly address: DiagnosticsParts["address"];
  /** Where an embedded log lies. */
  readonly directory?: string | undefined;
};

export type Rest = {
  readonly handle: HttpHandler;
  /** Its timers. */
  stop(): void;
};

const about = {
  title: "Weir",
  version,
  description:
    "Management and publishing over HTTP. Send an API key or a client's token as `Authorization: Bearer …` (or a key as `X-API-Key`). Every GET that needs a role can be followed: `Accept: text/event-stream` answers with events, one when the answer has changed, at most one a second.",
};

export function createRest(options: RestOptions): Rest {
  const { gateway, log, clock, logger } = options;
  const inspector = gateway.inspect();
  const samples = new Samples(inspector, clock);
  const app = newApp(logger);
  const parts = {
    ...options,
    bodyBytesMax: 2 * options.limits().frameBytesMax,
    app,
    access: new Access(options),
    live: new LiveAnswers(clock),
    audit: new Audit({ log, clock, logger, node: inspector.node().id }),
    alerts: new Alerts({ inspector, samples, log, clock, logger }),
    samples,
    diagnostics: options,
  };
  meRoutes(parts);
  sessionRoutes(parts);
  topicRoutes(parts);
  presenceRoutes(parts);
  publishRoutes(parts);
  nodeRoutes(parts);
  poolRoutes(parts);
  balancerRoutes(parts);
  networkRoutes(parts);
  changeRoutes(parts);
  replayRoutes(parts);
  settingRoutes(parts);
  statsRoutes(parts);
  describeDocument(app);
  return { handle: (request, remoteAddress) => app.fetch(request, { remoteAddress }), stop: () => samples.stop() };
}

function newApp(logger: Logger): RestApp {
  const app: RestApp = new OpenAPIHono({
    defaultHook: (result, { req }) => {
      if (result.success) return;
      const said = (name: string) => (result.target === "param" ? req.param(name) : req.query(name));
      const errors = result.error.issues.map((issue) => ({
        at: ["$", ...issue.path].join("."),
        message: result.target === "json" ? issue.message : parameterProblem(issue, said(String(issue.path[0]))),
      }));
      const detail = errors.map(({ at, message }) => `${at}: ${message}`).join("; ");
      throw new ProblemError(400, "badRequest", detail, errors);
    },
  });
  app.notFound(({ req: { method, path } }) => {
    const allowed = ["GET", "POST", "PATCH", "DELETE"].filter((name) => app.router.match(name, path)[0].length > 0);
    if (allowed.length === 0) return problemResponse(notFound(`Nothing answers at ${path}; /docs lists what does`));
    const said = `${path} answers ${allowed.join(", ")}, not ${method}`;
    const response = problemResponse(new ProblemError(405, "methodNotAllowed", said));
    response.headers.set("Allow", allowed.join(", "));
    return response;
  });
  app.onError((error) => {
    if (error instanceof ProblemError) return problemResponse(error);
    if (error instanceof HTTPException)
      return problemResponse(new ProblemError(error.status as ProblemStatus, "badRequest", error.message));
    if (error instanceof UnavailableError)
      return problemResponse(new ProblemError(503, "logUnavailable", "The event log cannot be reached now"));
    logger.log("error", "request failed", { error });
    return problemResponse(new ProblemError(500, "internal", "A bug of the gateway; its log says more"));
  });
  return app;
}

/** Parameters come as text and are read as what they should be: what was read of them says nothing to who sent it. */
function parameterProblem(issue: z.core.$ZodIssue, said: string | undefined): string {
  if (said === undefined) return issue.code === "invalid_type" ? "is missing" : issue.message;
  const expected = issue.code === "invalid_type" && (issue.expected === "int" ? "a whole number" : issue.expected);
  const text = expected ? `Expected ${expected === "number" ? "a number" : expected}` : issue.message;
  return `${text}, got "${said.slice(0, saidCharsMax)}"`;
}
const saidCharsMax = 100;

function describeDocument(app: RestApp): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API key, or the token of a client",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "apiKey", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
  });
  describeOpenEndpoints(app);
  let document: ReturnType<RestApp["getOpenAPI31Document"]> | undefined;
  const made = () => (document ??= app.getOpenAPI31Document({ openapi: "3.1.0", info: about }));
  app.get("/openapi.json", (context) => context.json(made()));
  app.get("/docs", () => docsResponse(made()));
}
