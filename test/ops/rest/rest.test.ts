/** The REST API over a real socket: who may do what, what is answered, what is written down. */
import { describe, expect, test } from "bun:test";
import { auditKey } from "../../../src/ops/rest/audit.ts";
import { limits } from "../../../src/protocol/limits.ts";
import { RestStage } from "./rest-stage.ts";

describe("access", () => {
  test("nothing is answered without credentials but health, readiness, metrics, the documents and where to connect", async () => {
    await using stage = await RestStage.open();
    const { body } = await stage.call("GET", "/openapi.json", { as: "nobody" });
    const { paths } = body as { paths: Record<string, Record<string, { security: unknown[] }>> };
    const open: string[] = [];
    for (const [path, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods)) {
        const at = path.replaceAll(/\{\w+\}/g, "x");
        const { status } = await stage.request(method.toUpperCase(), at, { as: "nobody" });
        if (status !== 401) open.push(`${method} ${path} ${status}`);
      }
    }
    const everybody = ["get /health 200", "get /ready 200", "get /metrics 200"];
    expect(open.sort()).toEqual([...everybody, "get /api/v1/balancer/assign 200"].sort());
    expect((await stage.request("GET", "/docs", { as: "nobody" })).status).toBe(200);
  });

  test("a role that is too low is refused with the role that is needed, and nothing is done", async () => {
    await using stage = await RestStage.open();
    await stage.client();
    const { body: page } = await stage.call("GET", "/api/v1/sessions", { as: "viewer" });
    const [session] = (page as { items: { id: string }[] }).items;
    const refused = await stage.call("POST", `/api/v1/sessions/${session?.id}/expire`, { as: "viewer" });
    expect([refused.status, refused.body]).toMatchObject([
      403,
      { cause: "forbidden", detail: "key vera has the role viewer, operator is needed" },
    ]);
    expect(stage.gateway.inspect().session(session?.id ?? "")?.status).toBe("attached");
    const config = await stage.call("PATCH", "/admin/config", { as: "operator", body: { settings: {} } });
    expect(config.status).toBe(403);
  });

  test("a client's token has the role of its claim; a key that is unknown, and a token that does not hold, have none", async () => {
    await using stage = await RestStage.open();
    const viewer = await stage.token("vic", { role: "viewer" });
    expect((await stage.call("GET", "/api/v1/nodes", { token: viewer })).status).toBe(200);
    const nobody = await stage.token("nick", { subscribe: [">"] });
    expect((await stage.call("GET", "/api/v1/nodes", { token: nobody })).body).toMatchObject({ status: 403 });
    for (const token of ["guess", `${viewer}x`, await stage.token("old", { role: "admin" }, "-1h")]) {
      const { status, body, headers } = await stage.call("GET", "/api/v1/nodes", { token });
      expect([status, headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="weir"']);
      expect(body).toMatchObject({ title: "Not authenticated" });
    }
    const bad = await stage.token("bad", { role: "root" });
    expect((await stage.call("GET", "/api/v1/nodes", { token: bad })).body).toMatchObject({
      detail: "Neither an API key nor a token: Claim weir.role is none of viewer, operator, admin",
    });
    expect((await stage.call("GET", "/api/v1/nodes", { token: "guess" })).body).toMatchObject({
      detail: "The API key is not known here: no key of security.apiKeys is this one",
    });
  });

  test("X-API-Key is as good as a bearer token, a withdrawn key is good for nothing", async () => {
    await using stage = await RestStage.open();
    const headers = { "X-API-Key": "key-of-vera" };
    expect((await stage.call("GET", "/stats", { as: "nobody", headers })).status).toBe(200);
    stage.keys = stage.keys.filter((key) => !key.startsWith("vera"));
    expect((await stage.call("GET", "/stats", { as: "nobody", headers })).status).toBe(401);
  });
});

describe("answers", () => {
  test("a wrong parameter, an unknown one and broken JSON are 400 with the place", async () => {
    await using stage = await RestStage.open();
    const { status, body, headers } = await stage.call("GET", "/api/v1/sessions?max=0");
    expect([status, headers.get("content-type")]).toEqual([400, "application/problem+json"]);
    expect(body).toMatchObject({ type: "about:blank", cause: "badRequest", errors: [{ at: "$.max" }] });
    expect((await stage.call("GET", "/api/v1/sessions?maxx=3")).status).toBe(400);
    const headersOf = { "Content-Type": "application/json", Authorization: "Bearer key-of-ada" };
    const broken = await fetch(`${stage.url}/api/v1/publish`, { method: "POST", headers: headersOf, body: "{" });
    expect([broken.status, broken.headers.get("content-type")]).toEqual([400, "application/problem+json"]);
  });

  test("a parameter that is no number, or out of range, is told with what was sent", async () => {
    await using stage = await RestStage.open();
    const said = async (path: string) => ((await stage.call("GET", path)).body as { detail: string }).detail;
    expect(await said("/api/v1/sessions?max=abc")).toBe('$.max: Expected a number, got "abc"');
    expect(await said("/api/v1/sessions?max=1.5")).toBe('$.max: Expected a whole number, got "1.5"');
    expect(await said("/api/v1/sessions?max=0")).toEndWith('to be >=1, got "0"');
    expect(await said("/api/v1/topics/a/records/x/ledger")).toBe('$.seq: Expected a number, got "x"');
  });

  test("a list refuses a cursor that only looks like an id, and a filter that is none", async () => {
    await using stage = await RestStage.open();
    expect(await stage.call("GET", "/api/v1/journals/session?max=1&cursor=bad")).toMatchObject({
      status: 400,
      body: { errors: [{ at: "$.cursor" }] },
    });
    expect(await stage.call("GET", "/api/v1/sessions/s1/diff?a=1")).toMatchObject({
      status: 400,
      body: { detail: "$.b: is missing" },
    });
    expect(await stage.call("GET", "/api/v1/subscriptions?filter=a..b")).toMatchObject({
      status: 400,
      body: { cause: "badFilter", errors: [{ at: "$.filter" }] },
    });
  });

  test("a cursor that no page gave is a 400 that says what a cursor is", async () => {
    await using stage = await RestStage.open();
    const lists = ["sessions", "connections", "subscriptions", "topics", "topics/a/records"];
    const journals = ["session", "connection", "node"].map((kind) => `journals/${kind}`);
    for (const list of [...lists, ...journals]) {
      const { status, body } = await stage.call("GET", `/api/v1/${list}?cursor=%21%20!`);
      expect([list, status, body]).toMatchObject([list, 400, { errors: [{ at: "$.cursor" }] }]);
      expect((body as { detail: string }).detail).toContain('must be "next" of the page before, got "! !"');
    }
  });

  test("a body of another kind, or of none, is a 415 that names the kinds that are taken", async () => {
    await using stage = await RestStage.open();
    const said = async (method: string, path: string, type: string | undefined) => {
      const headers = { Authorization: "Bearer key-of-ada", ...(type === undefined ? {} : { "Content-Type": type }) };
      const response = await fetch(`${stage.url}${path}`, { method, headers, body: new Uint8Array([1]) });
      expect(response.status).toBe(415);
      const { cause, detail } = (await response.json()) as Record<string, string>;
      return `${cause}: ${detail}`;
    };
    const both = "unsupportedMediaType: Send application/json or application/octet-stream";
    expect(await said("POST", "/api/v1/publish", "text/plain")).toBe(`${both}, got "text/plain"`);
    expect(await said("POST", "/api/v1/publish", undefined)).toBe(`${both}, got no Content-Type`);
    const patch = await said("PATCH", "/admin/config", "application/octet-stream");
    expect(patch).toBe('unsupportedMediaType: Send application/json, got "application/octet-stream"');
  });

  test("a key that may not publish is told which role may, not to ask for a claim that keys do not have", async () => {
    await using stage = await RestStage.open();
    const body = { records: [{ topic: "a", text: "x" }] };
    const { status, body: problem } = await stage.call("POST", "/api/v1/publish", { as: "viewer", body });
    expect([status, (problem as { detail: string }).detail]).toEqual([
      403,
      'Topic "a" is not covered by the publish claim. key vera has the role viewer: publish with a key of the role operator, or with a token that may',
    ]);
  });

  test("each change by an operator is a log line, a refused one too", async () => {
    await using stage = await RestStage.open();
    const node = stage.gateway.inspect().node().id;
    await stage.call("POST", `/api/v1/nodes/${node}/drain`);
    await stage.call("POST", "/api/v1/sessions/none/expire");
    const lines = stage.lines.filter(({ event }) => event.startsWith("change "));
    const who = "key ada";
    expect(lines).toEqual([
      { event: "change made", fields: { who, action: "node.drain", target: `node/${node}` } },
      {
        event: "change failed",
        fields: { who, action: "session.expire", target: "session/none", error: "No session none is on this node" },
      },
    ]);
  });

  test("what is not there is a 404 problem, another method a 405 with those that are", async () => {
    await using stage = await RestStage.open();
    expect((await stage.call("GET", "/api/v2/nothing")).body).toMatchObject({ status: 404, cause: "notFound" });
    expect((await stage.call("DELETE", "/api/v1/nodes/x/drain/")).status).toBe(404);
    const wrong = await stage.call("PUT", "/api/v1/nodes/x/drain");
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, POST, DELETE"]);
    expect((await stage.call("GET", "/api/v1/sessions/none")).body).toMatchObject({
      detail: "No session none is on this node",
    });
  });

  test("/docs is one page without scripts or anything from elsewhere, under a policy that allows neither", async () => {
    await using stage = await RestStage.open();
    const response = await stage.request("GET", "/docs", { as: "nobody" });
    const page = await response.text();
    expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(page).toContain("/api/v1/topics/{topic}/records");
    expect(page).not.toMatch(/<script|https?:\/\/|<link|<img/);
  });

  test("/openapi.json is OpenAPI 3.1 and names what the mission names", async () => {
    await using stage = await RestStage.open();
    const { body } = await stage.call("GET", "/openapi.json", { as: "nobody" });
    const { openapi, paths } = body as { openapi: string; paths: Record<string, object> };
    expect(openapi).toBe("3.1.0");
    const network = [
      "optimization/status",
      "optimization/statistics",
      "optimization/configure",
      "diagnostics/run",
      "dashboard/summary",
    ];
    const resources = [
      "sessions",
      "connections",
      "subscriptions",
      "topics",
      "pools",
      "nodes",
      "alerts",
      "audit",
      "publish",
    ];
    const wanted = [
      ...network.map((name) => `/api/v1/network/${name}`),
      ...resources.map((name) => `/api/v1/${name}`),
      ...["/health", "/ready", "/stats", "/metrics", "/admin/stats", "/admin/config", "/api/v1/topics/{topic}/records"],
    ];
    expect(wanted.filter((path) => paths[path] === undefined)).toEqual([]);
    const { parameters } = (paths["/api/v1/sessions/{id}/diff"] as { get: { parameters: object[] } }).get;
    for (const name of ["a", "b"]) expect(parameters).toContainEqual(expect.objectContaining({ name, required: true }));
  });
});

test("a body that the transport lets through and is larger than twice frameBytesMax is refused with problem details", async () => {
  await using stage = await RestStage.open({ config: { limits: { frameBytesMax: 4 * limits.frameBytesMax } } });
  const body = new Uint8Array(2 * limits.frameBytesMax + 1);
  const answer = await stage.call("POST", "/api/v1/publish?topic=a", { body });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([413, "application/problem+json"]);
  expect(answer.body).toMatchObject({ cause: "bodyTooLarge" } as never);
});

describe("changes", () => {
  test("disconnect without a cause says the one that docs/causes.md has for 4304", async () => {
    await using stage = await RestStage.open();
    await stage.client();
    const [connection] = stage.gateway.inspect().connections("", 1).items;
    await stage.call("POST", `/api/v1/connections/${encodeURIComponent(connection?.id ?? "")}/disconnect`);
    const { body } = await stage.call("GET", `/api/v1/sessions/${connection?.session}/why`);
    expect((body as { items: object[] }).items[0]).toMatchObject({ cause: "disconnected" });
  });

  test("expire, disconnect and drain do what they say, and the audit holds who, what, before and after", async () => {
    await using stage = await RestStage.open();
    await stage.client();
    const [connection] = stage.gateway.inspect().connections("", 1).items;
    const at = encodeURIComponent(connection?.id ?? "");
    expect(
      (await stage.call("POST", `/api/v1/connections/${at}/disconnect?cause=test`, { as: "operator" })).body,
    ).toEqual({ ended: true } as never);
    const session = connection?.session ?? "";
    expect((await stage.call("POST", `/api/v1/sessions/${session}/expire`, { as: "operator" })).status).toBe(200);
    expect((await stage.call("POST", `/api/v1/sessions/${session}/expire`, { as: "operator" })).status).toBe(404);
    const node = stage.gateway.inspect().node().id;
    const drained = await stage.call("POST", `/api/v1/nodes/${node}/drain?reason=deploy`, { as: "operator" });
    expect(drained.body).toMatchObject({ state: "draining", drain: { reason: "deploy" } });
    expect((await fetch(`${stage.url}/ready`)).status).toBe(503);
    expect((await stage.call("DELETE", `/api/v1/nodes/${node}/drain`, { as: "operator" })).body).toEqual({
      state: "running",
    } as never);
    expect((await stage.call("POST", "/api/v1/nodes/other/drain", { as: "operator" })).status).toBe(409);
    const { body } = await stage.call("GET", "/api/v1/audit", { as: "operator" });
    expect((body as { items: object[] }).items).toMatchObject([
      { seq: 1, who: "key otto", action: "connection.disconnect", after: { cause: "test" }, node },
      { who: "key otto", action: "session.expire", target: `session/${session}`, after: "ended" },
      { action: "session.expire", before: "in the log" },
      { action: "session.expire", failed: `No session ${session} is on this node` },
      { action: "node.drain", before: "running", after: { reason: "deploy" } },
      { action: "node.undrain", before: "draining", after: "running" },
    ]);
    expect((await stage.call("GET", "/api/v1/audit", { as: "viewer" })).status).toBe(403);
  });

  test("nothing is changed while the log cannot take the audit's entry", async () => {
    await using stage = await RestStage.open();
    await stage.client();
    const { journals } = stage.log;
    const append = journals.append;
    Object.assign(journals, {
      append: (request: { key: { kind: string } }) =>
        request.key.kind === "audit"
          ? Promise.resolve({ ok: false, code: "unavailable", message: "away", retryable: true })
          : append.call(journals, request as never),
    });
    const node = stage.gateway.inspect().node().id;
    const { status, body } = await stage.call("POST", `/api/v1/nodes/${node}/drain`);
    expect([status, body]).toMatchObject([503, { cause: "auditUnavailable" }]);
    expect(stage.gateway.inspect().node().state).toBe("running");
    expect(await journals.lastSeq(auditKey)).toBe(0);
  });

  test("changes made at the same time are all in the audit, in one order", async () => {
    await using stage = await RestStage.open();
    const node = stage.gateway.inspect().node().id;
    const many = Array.from({ length: 6 }, (_, i) => stage.call("POST", `/api/v1/nodes/${node}/drain?reason=r${i}`));
    expect((await Promise.all(many)).map(({ status }) => status)).toEqual(Array(6).fill(200));
    const { body } = await stage.call("GET", "/api/v1/audit?max=4");
    expect(body).toMatchObject({ items: [{ seq: 1 }, { seq: 2 }, { seq: 3 }, { seq: 4 }], next: "4" });
    const rest = await stage.call("GET", "/api/v1/audit?max=4&after=4");
    expect((rest.body as { items: object[] }).items).toHaveLength(2);
  });
});

describe("looking back", () => {
  test("tells a session's state at an event, what changed since, and its timeline, also after it has ended", async () => {
    await using stage = await RestStage.open();
    const client = await stage.client();
    await client.subscribe("orders.>").ready;
    const [{ id } = { id: "" }] = stage.gateway.inspect().sessions("", 1).items;
    await client.close();
    await stage.call("POST", `/api/v1/sessions/${id}/expire`);
    const now = await stage.call("GET", `/api/v1/sessions/${id}/state`, { as: "viewer" });
    expect(now.body).toMatchObject({ key: { kind: "session", id }, statechart: { name: "session", state: "closed" } });
    const then = await stage.call("GET", `/api/v1/journals/session/${id}/state?seq=2`);
    expect(then.body).toMatchObject({ seq: 2, statechart: { state: "attached" } });
    const { body } = await stage.call("GET", `/api/v1/sessions/${id}/timeline?max=3`);
    expect(body).toMatchObject({
      items: [{ seq: 1, type: "Opened" }, { type: "Attached" }, { type: "Subscribed" }],
      next: "3",
    });
    const diff = await stage.call("GET", `/api/v1/sessions/${id}/diff?a=2&b=3`);
    expect((diff.body as { items: { path: string }[] }).items.map(({ path }) => path)).toContain(
      "subscriptions[orders.>]",
    );
    expect((await stage.call("GET", `/api/v1/sessions/${id}/state?seq=1&time=5`)).status).toBe(400);
    expect((await stage.call("GET", "/api/v1/sessions/none/state")).status).toBe(404);
    const list = await stage.call("GET", "/api/v1/journals/session");
    expect(list.body).toMatchObject({ items: [{ kind: "session", id, state: "closed" }] });
  });

  test("tells who has a record, who is behind, and why a session ended", async () => {
    await using stage = await RestStage.open();
    const client = await stage.client();
    await client.subscribe("orders.>").ready;
    const [{ id } = { id: "" }] = stage.gateway.inspect().sessions("", 1).items;
    await stage.call("POST", "/api/v1/publish", { body: { records: [{ topic: "orders.eu", payload: 1 }] } });
    const ledger = await stage.call("GET", "/api/v1/topics/orders.eu/records/1/ledger", { as: "viewer" });
    expect(ledger.body).toMatchObject({ topic: "orders.eu", seq: 1, rows: [{ session: id, filter: "orders.>" }] });
    expect((await stage.call("GET", `/api/v1/sessions/${id}/lag`)).body).toMatchObject({ session: id });
    expect((await stage.call("GET", "/api/v1/lag")).status).toBe(200);
    await stage.call("POST", `/api/v1/sessions/${id}/expire`);
    const why = await stage.call("GET", `/api/v1/sessions/${id}/why`);
    const causes = (why.body as { items: { cause: string; advice: string }[] }).items;
    expect(causes.length).toBeGreaterThan(0);
    expect(causes.every(({ advice }) => advice !== "")).toBe(true);
    expect((await stage.call("GET", "/api/v1/sessions/none/lag")).status).toBe(404);
  });
});
