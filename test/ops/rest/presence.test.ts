/** Who is present on a topic, over REST. */
import { describe, expect, test } from "bun:test";
import { presence } from "../../../src/client/presence.ts";
import { RestStage } from "./rest-stage.ts";

type Page = { readonly items: readonly Record<string, unknown>[]; readonly total: number; readonly next?: string };
const path = (topic: string, query = ""): string => `/api/v1/topics/${encodeURIComponent(topic)}/presence${query}`;

describe("presence over REST", () => {
  test("shows sessions with what they told of themselves, page by page", async () => {
    await using stage = await RestStage.open();
    const clients = await Promise.all([1, 2, 3].map(() => stage.client()));
    const [json, text, raw] = clients.map((client) => presence(client));
    await json?.track("room", { name: "Ada" });
    await text?.track("room", new TextEncoder().encode("plain words"));
    await raw?.track("room", Uint8Array.of(255, 0));
    const pages: Page[] = [(await stage.call("GET", path("room", "?max=2"))).body];
    pages.push((await stage.call("GET", path("room", `?max=2&cursor=${pages[0]?.next}`))).body);
    expect(pages.map(({ items, total, next }) => [items.length, total, next === undefined])).toEqual([
      [2, 3, false],
      [1, 3, true],
    ]);
    const bySession = new Map(pages.flatMap(({ items }) => items).map((item) => [item["session"], item]));
    const told = clients.map(({ session }) => bySession.get(session?.session));
    expect(told).toMatchObject([
      { subject: "", encoding: "json", data: { name: "Ada" } },
      { encoding: "text", data: "plain words" },
      { encoding: "base64", data: "/wA=" },
    ]);
    const [node] = stage.gateway.inspect().members();
    expect(told[0]).toMatchObject({ node: node?.node });
    expect(Date.now() - (told[0]?.["since"] as number)).toBeLessThan(60_000);
    expect((await stage.call("GET", path("nobody"))).body).toEqual({ items: [], total: 0 } as never);
  });

  test("needs a role or a claim that covers the topic, and a topic", async () => {
    await using stage = await RestStage.open();
    const token = await stage.token("ada", { publish: [], subscribe: ["a.*"] });
    expect((await stage.call("GET", path("a.b"), { token })).status).toBe(200);
    expect((await stage.call("GET", path("b"), { token })).body).toMatchObject({ cause: "subscribeForbidden" });
    expect((await stage.call("GET", path("a.b"), { as: "nobody" })).status).toBe(401);
    for (const topic of ["a.*", "$dead.a", "a..b"])
      expect((await stage.call("GET", path(topic))).body).toMatchObject({ status: 400, cause: "badTopic" });
  });
});
