/**
 * Tickets between nodes that share a key-value store.
 */
import { describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { Tickets, ticketMs } from "../../../src/runtime/cluster/ticket.ts";
import type { KeyValue } from "../../../src/runtime/log/event-log.ts";
import { openMemoryLog } from "../../../src/runtime/log/memory.ts";
import { systemRandom } from "../../../src/runtime/system.ts";
import { SteeredClock } from "../../gateway/stage.ts";

function cluster() {
  const clock = new SteeredClock();
  const { keyValue } = openMemoryLog({ clock, epoch: "e" });
  const random = systemRandom();
  const node = (name: string, own: KeyValue = keyValue) => new Tickets({ clock, random, keyValue: own, node: name });
  return { clock, keyValue, node };
}
const toB = { node: "b", url: "ws://b.example/", session: "S1" };

describe("Tickets", () => {
  test("what one node issues another one takes, which has never spoken with it", async () => {
    const { node } = cluster();
    expect(await node("b").check(await node("a").issue(toB))).toEqual({ ok: true, claims: toB });
    const { session: _, ...anybody } = toB;
    expect(await node("b").check(await node("a").issue(anybody))).toEqual({ ok: true, claims: anybody });
  });

  test("nodes that begin at the same moment agree on one key", async () => {
    const { node } = cluster();
    const [a, b, c] = [node("a"), node("b"), node("c")];
    const issued = await Promise.all([a, b, c].map((one) => one.issue(toB)));
    for (const ticket of issued) expect(await b.check(ticket)).toMatchObject({ ok: true });
  });

  test("is refused by any other node, which learns for whom it is", async () => {
    const { node } = cluster();
    expect(await node("c").check(await node("a").issue(toB))).toEqual({
      ...{ ok: false, cause: "elsewhere", claims: toB },
      message: "Ticket is for node b, this is node c",
    });
  });

  test("is refused a minute after its slot, not before, give or take a second of clocks", async () => {
    const { clock, node } = cluster();
    const ticket = await node("a").issue(toB);
    clock.advance(ticketMs);
    expect(await node("b").check(ticket)).toMatchObject({ ok: true });
    clock.advance(1_001);
    expect(await node("b").check(ticket)).toEqual({
      ...{ ok: false, cause: "expired", message: "Ticket has expired, come without one" },
    });
    const slot = await node("a").issue({ ...toB, notBefore: clock.now() + 120_000 });
    clock.advance(120_000 + ticketMs);
    expect(await node("b").check(slot)).toMatchObject({ ok: true });
  });

  test("before its slot it says when to come", async () => {
    const { clock, node } = cluster();
    const ticket = await node("a").issue({ ...toB, notBefore: clock.now() + 5_000 });
    const early = { ok: false, cause: "early", claims: { ...toB, notBefore: clock.now() + 5_000 } } as const;
    expect(await node("b").check(ticket)).toEqual({ ...early, message: "The slot of this ticket comes in 5000 ms" });
    clock.advance(4_000);
    expect(await node("b").check(ticket)).toMatchObject({ ok: true });
  });

  test("is invalid when forged, changed, unsigned, of another kind, or no ticket at all", async () => {
    const { clock, keyValue, node } = cluster();
    const good = await node("a").issue(toB);
    const [head, body, signature] = good.split(".") as [string, string, string];
    const changed = btoa(JSON.stringify({ ...JSON.parse(atob(body)), aud: "c" })).replaceAll("=", "");
    const none = btoa(JSON.stringify({ alg: "none", typ: "weir-ticket+jwt" })).replaceAll("=", "");
    const key = (await keyValue.get("cluster/ticket-key"))?.value ?? new Uint8Array();
    const token = await new SignJWT({ url: toB.url })
      .setProtectedHeader({ alg: "HS256", typ: "JWT" })
      .setAudience("b")
      .setExpirationTime(clock.now() / 1_000 + 60)
      .sign(key);
    const other = await cluster().node("a").issue(toB);
    const wrong = [
      other,
      `${head}.${changed}.${signature}`,
      `${none}.${body}.`,
      token,
      "x",
      "",
      "a.b.c",
      "t".repeat(3_000),
    ];
    for (const ticket of wrong) expect(await node("c").check(ticket)).toMatchObject({ ok: false, cause: "invalid" });
  });

  test("while the log is away nobody can say: it rejects, and works again afterwards", async () => {
    const { keyValue, node } = cluster();
    let away = true;
    const flaky: KeyValue = {
      ...{ list: keyValue.list, watch: keyValue.watch, delete: keyValue.delete },
      get: (key) => (away ? Promise.reject(new Error("away")) : keyValue.get(key)),
      put: (...given) => keyValue.put(...given),
    };
    const a = node("a", flaky);
    await expect(a.issue(toB)).rejects.toThrow("away");
    away = false;
    expect(await node("b").check(await a.issue(toB))).toMatchObject({ ok: true });
  });
});
