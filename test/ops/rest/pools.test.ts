/**
 * Pools over REST: roles, what is made and changed, what cannot be, and that it is audited.
 */
import { expect, test } from "bun:test";
import { joinPool } from "../../../src/client/pool.ts";
import { until } from "../../gateway/stage.ts";
import { RestStage } from "./rest-stage.ts";

const path = "/api/v1/pools";
const made = { name: "workers", filters: ["jobs.>"] };

test("a pool is made by an operator, seen by a viewer with its members, changed, drained and deleted", async () => {
  await using stage = await RestStage.open();
  expect((await stage.call("POST", path, { as: "viewer", body: made })).status).toBe(403);
  expect((await stage.call("POST", path, { as: "operator", body: made })).body).toEqual({ done: true } as never);
  expect((await stage.call("POST", path, { as: "operator", body: made })).status).toBe(409);
  const get = async (): Promise<Record<string, unknown>> =>
    (await stage.call("GET", `${path}/workers`, { as: "viewer" })).body;
  await until(async () => (await get())["coordinator"] !== undefined, "it is coordinated");
  const member = joinPool(await stage.client(), "workers", { capacity: 3, tags: ["gpu"] }, () => undefined);
  await member.ready;
  const view = await get();
  expect(view).toMatchObject({
    name: "workers",
    status: "active",
    capacity: 3,
    settings: { strategy: "leastConnections" },
  });
  const [{ id }] = view["members"] as [{ id: string }];
  const one = `${path}/workers/members/${encodeURIComponent(id)}`;
  expect((await stage.call("PATCH", one, { as: "operator", body: { weight: 5 } })).status).toBe(200);
  expect((await get())["members"]).toMatchObject([{ id, weight: 5, tags: ["gpu"], health: "working" }]);
  const patch = { strategy: "roundRobin", ackWaitMs: 5_000 };
  expect((await stage.call("PATCH", `${path}/workers`, { as: "operator", body: patch })).status).toBe(200);
  expect((await get())["settings"]).toMatchObject({ ...patch, filters: ["jobs.>"] });
  await stage.call("POST", `${path}/workers/drain`, { as: "operator" });
  expect((await get())["status"]).toBe("draining");
  await stage.call("DELETE", `${path}/workers/drain`, { as: "operator" });
  expect((await stage.call("DELETE", one, { as: "operator" })).status).toBe(200);
  expect(await member.ended).toBe("removed");
  expect((await stage.call("DELETE", `${path}/workers`, { as: "operator" })).status).toBe(200);
  expect((await stage.call("GET", `${path}/workers`, { as: "viewer" })).status).toBe(404);
  const { items } = (await stage.call("GET", "/api/v1/audit")).body as {
    readonly items: readonly { readonly action: string }[];
  };
  const audit = items.map(({ action }) => action);
  for (const action of ["pool.create", "pool.weight", "pool.configure", "pool.drain", "pool.remove", "pool.delete"])
    expect(audit).toContain(action);
});

test("what is wrong is refused: unknown pools and members, filters that are none, processes without the role admin", async () => {
  await using stage = await RestStage.open();
  const as = "operator";
  expect((await stage.call("GET", `${path}/nobody`, { as })).status).toBe(404);
  expect((await stage.call("DELETE", `${path}/nobody`, { as })).status).toBe(404);
  const wrong = await stage.call("POST", path, { as, body: { name: "workers", filters: ["a..b"] } });
  expect([wrong.status, wrong.body]).toMatchObject([422, { cause: "poolSettingsWrong" }]);
  const scaling = { by: "process", command: ["true"] };
  expect((await stage.call("POST", path, { as, body: { ...made, scaling } })).status).toBe(403);
  expect(
    (await stage.call("POST", path, { as: "admin", body: { ...made, scaling: { ...scaling, by: "metric" } } })).status,
  ).toBe(200);
  await until(
    async () => (await stage.call("GET", `${path}/workers/scale`, { as })).status === 200,
    "it is coordinated",
  );
  expect((await stage.call("GET", `${path}/workers/scale`, { as: "viewer" })).body).toMatchObject({
    wanted: 0,
    members: 0,
  });
  expect((await stage.call("DELETE", `${path}/workers/members/nobody`, { as })).status).toBe(404);
});
