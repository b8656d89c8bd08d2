/**
 * REST against its own OpenAPI document: whatever a stranger sends who has only that, nothing breaks, and every answer
 * is one that the document promises.
 */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { z } from "zod";
import { loadConfig } from "../../../src/ops/config/load.ts";
import { RunningConfig } from "../../../src/ops/config/running-config.ts";
import { systemClock } from "../../../src/runtime/system.ts";
import { RestStage } from "./rest-stage.ts";
import { arbitraryOf, maybeWrong, type Schema, type Schemas } from "./schema-arbitrary.ts";

type Media = Readonly<Record<string, { readonly schema: Schema }>>;
type Parameter = {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required?: boolean;
  readonly schema: Schema;
};
type Operation = {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Media };
  readonly responses: Readonly<Record<string, { readonly content?: Media }>>;
};
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Schemas };
};
type Known = { readonly ids: readonly string[] };
type Asked = {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
  readonly query: Record<string, unknown>;
  readonly params: Record<string, unknown>;
  readonly body: unknown;
  readonly role: "viewer" | "operator" | "admin";
};

/** No history is kept here, and a request before may have drained the node: both are said by the document. */
const meant: ReadonlySet<string> = new Set(["/api/v1/metrics 501", "/api/v1/metrics/{name} 501", "/ready 503"]);
const runs = 600;

function asked(document: Document, known: Known): fc.Arbitrary<Asked> {
  const { schemas } = document.components;
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  return fc.constantFrom(...operations).chain(({ method, path, operation }) => {
    const of = (place: "path" | "query") => {
      const parameters = (operation.parameters ?? []).filter((one) => one.in === place);
      const values = parameters.map(({ name, schema }) => {
        const good = arbitraryOf(schema, schemas);
        const value = place === "path" ? fc.oneof(fc.constantFrom(...known.ids), good) : maybeWrong(good);
        return [name, value] as const;
      });
      return fc.record(Object.fromEntries(values), place === "path" ? {} : { requiredKeys: [] });
    };
    const schema = operation.requestBody?.content["application/json"]?.schema;
    const body = schema === undefined ? fc.constant(undefined) : maybeWrong(arbitraryOf(schema, schemas));
    const role = fc.constantFrom("viewer" as const, "operator" as const, "admin" as const);
    return fc
      .record({ query: of("query"), params: of("path"), body, role })
      .map((rest) => ({ method, path, operation, ...rest }));
  });
}

function addressOf({ path, params, query }: Asked): string {
  const at = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])));
  const given = Object.entries(query).map(
    ([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)] as [string, string],
  );
  return `${at}?${new URLSearchParams(given)}`;
}

/** Checks of answers, made from the document alone. */
class Promises {
  readonly #definitions: unknown;
  readonly #made = new Map<Schema, z.ZodType>();

  constructor({ components }: Document) {
    this.#definitions = relocated(components.schemas);
  }

  problem(schema: Schema, body: unknown): string | undefined {
    let check = this.#made.get(schema);
    if (check === undefined) {
      check = z.fromJSONSchema({ ...(relocated(schema) as object), $defs: this.#definitions } as never);
      this.#made.set(schema, check);
    }
    const result = check.safeParse(body);
    return result.success ? undefined : JSON.stringify(result.error.issues.slice(0, 3));
  }
}
const relocated = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll("#/components/schemas/", "#/$defs/"));

/** Answers whether it was done. */
async function check(stage: RestStage, promises: Promises, request: Asked): Promise<boolean> {
  const { method, path, operation, body, role } = request;
  const address = addressOf(request);
  const response = await stage.request(method.toUpperCase(), address, {
    as: role,
    ...(body === undefined ? {} : { body }),
  });
  const told = `${method} ${address} ${JSON.stringify(body)} → ${response.status}`;
  const text = await response.text();
  // An empty or broken-up path value is another address.
  const isElsewhere = response.status === 405 || (response.status === 404 && text.includes("Nothing answers"));
  if (isElsewhere) return false;
  expect(response.status < 500 || meant.has(`${path} ${response.status}`) ? "fine" : `${told} ${text}`).toBe("fine");
  const promised = operation.responses[String(response.status)];
  expect(promised === undefined ? `${told} is not in the document: ${text}` : "promised").toBe("promised");
  const [type = ""] = (response.headers.get("content-type") ?? "").split(";");
  const schema = promised?.content?.[type]?.schema;
  expect(schema === undefined ? `${told} has the type ${type}` : "typed").toBe("typed");
  if (schema === undefined || !type.endsWith("json")) return response.ok;
  const problem = promises.problem(schema, JSON.parse(text));
  expect(problem === undefined ? "as promised" : `${told} ${problem} in ${text.slice(0, 400)}`).toBe("as promised");
  return response.ok;
}

test("REST answers whatever its document allows, and more, without a 5xx and as the document promises", async () => {
  const clock = systemClock();
  const sources = { flags: {}, env: {}, readFile: () => "" };
  const loaded = loadConfig(sources);
  if (!loaded.ok) throw new Error("The defaults do not load");
  const stage = await RestStage.open({
    settings: (log, logger) => RunningConfig.open({ sources, loaded, log, clock, logger }),
  });
  await using _ = stage;
  const clients = await Promise.all([stage.client(), stage.client()]);
  for (const client of clients) {
    await client.subscribe("orders.>").ready;
    await client.publish("orders.eu", { n: 1 });
  }
  const { items } = stage.gateway.inspect().connections("", 10);
  const node = stage.gateway.inspect().node().id;
  const ids = [
    ...items.flatMap(({ id, session = "" }) => [id, session]),
    node,
    "orders.eu",
    "orders.>",
    "appendLatency",
  ];
  const { body } = await stage.call("GET", "/openapi.json");
  const document = body as Document;
  const promises = new Promises(document);
  const done = new Set<string>();
  await fc.assert(
    fc.asyncProperty(asked(document, { ids }), async (request) => {
      if (await check(stage, promises, request)) done.add(`${request.method} ${request.path}`);
    }),
    { numRuns: runs, interruptAfterTimeLimit: 40_000 },
  );
  // It met what the endpoints do, not only their refusals.
  expect(done.size).toBeGreaterThan(20);
}, 60_000);
