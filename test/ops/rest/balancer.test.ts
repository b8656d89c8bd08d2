/**
 * Which node a client belongs to, over REST: a cluster of one is enough to see who may ask, and how.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { balancingDefaults } from "../../../src/runtime/cluster/assigner.ts";
import { RestStage, type RestStageOptions } from "./rest-stage.ts";

let opened: RestStage[] = [];
afterEach(async () => {
  for (const stage of opened) await stage[Symbol.asyncDispose]();
  opened = [];
});

async function open(options: RestStageOptions = {}): Promise<RestStage> {
  const stage = await RestStage.open({ config: { node: "n1" }, ...options });
  opened.push(stage);
  return stage;
}
const path = "/api/v1/balancer/assign";

describe("GET /api/v1/balancer/assign", () => {
  test("tells node, url, ticket and why, to a client without a token where such clients may connect", async () => {
    const stage = await open();
    const answer = await stage.call("GET", `${path}?session=S1&key=room&location=52.5,13.4`, { as: "nobody" });
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        ...{ node: "n1", url: `ws://127.0.0.1:${stage.port}/`, ticket: expect.stringMatching(/^\S+\.\S+\.\S+$/) },
        ...{ why: { rule: "only" }, text: "only: n1 is the only one there" },
      } as never,
    ]);
  });

  test("where they may not, it wants a token, and takes that of a client or an API key", async () => {
    const closed = await open({ anonymous: false });
    expect((await closed.call("GET", path, { as: "nobody" })).status).toBe(401);
    expect((await closed.call("GET", path, { token: "forged" })).status).toBe(401);
    const token = await closed.token("alice", {});
    expect((await closed.call("GET", path, { token })).status).toBe(200);
    expect((await closed.call("GET", path, { as: "viewer" })).status).toBe(200);
  });

  test("refuses a place that is nowhere, and what it does not know", async () => {
    const stage = await open();
    for (const query of ["location=91,0", "location=0,181", "location=here", "key=", "colour=red"])
      expect((await stage.call("GET", `${path}?${query}`)).status).toBe(400);
  });

  test("answers 503 noNode when no node takes clients", async () => {
    const stage = await open();
    await stage.call("POST", "/api/v1/nodes/n1/drain", { as: "operator" });
    const answer = await stage.call("GET", path);
    expect([answer.status, answer.body]).toMatchObject([503, { cause: "noNode" }]);
  });
});

describe("GET /api/v1/balancer/decisions", () => {
  test("tells viewers the last ones, the newest first, and nobody else", async () => {
    const one = await open({ config: { node: "n1", balancing: { ...balancingDefaults, affinity: "user" } } });
    const token = await one.token("alice", {});
    await one.call("GET", path, { token });
    await one.call("GET", `${path}?session=S1`, { as: "nobody" });
    const answer = await one.call("GET", "/api/v1/balancer/decisions?max=2", { as: "viewer" });
    expect(answer.body).toMatchObject({
      items: [
        { way: "assign", node: "n1", session: "S1", subject: "", why: { rule: "only" } },
        { way: "assign", node: "n1", subject: "alice", key: "alice", text: "only: n1 is the only one there" },
      ],
    });
    expect((await one.call("GET", "/api/v1/balancer/decisions", { as: "nobody" })).status).toBe(401);
  });
});
