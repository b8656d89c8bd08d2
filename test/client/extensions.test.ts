/**
 * The hook of features: an extension's frames and no others, and what it is told of the connection.
 */
import { expect, test } from "bun:test";
import { type Client, type Extension, type ExtensionHost, WeirError } from "../../src/client/mod.ts";
import { poolFrames } from "../../src/protocol/pool-shape.ts";
import { World } from "./world.ts";

/** An extension that notes what it is told. */
function noting(client: Client, notes: string[]): ExtensionHost {
  let given: ExtensionHost | undefined;
  client.extend("pool", (host): Extension => {
    given = host;
    return {
      frames: poolFrames,
      frame: (frame) => void notes.push(frame.type),
      refused: ({ ref }) => ref === 1 && notes.push("refused") > 0,
      welcomed: ({ outcome }) => void notes.push(`welcomed ${outcome}`),
      lost: () => void notes.push("lost"),
      ended: ({ code }) => void notes.push(`ended ${code}`),
    };
  });
  if (given === undefined) throw new Error("The client gave no host");
  return given;
}

test("an extension sends and hears its own frames over reconnects, and hears of the end", async () => {
  const world = new World();
  const client = await world.connected();
  const notes: string[] = [];
  const host = noting(client, notes);
  expect(host.connected).toBe(true);
  host.send({ type: "join", ref: host.nextRef(), pool: "p" });
  expect(world.peer.last("join")).toEqual({ type: "join", ref: 1, pool: "p" });
  world.peer.send({ type: "joined", ref: 1, pool: "p", member: "m" });
  world.peer.send({ type: "error", code: 723, cause: "tooManyMembers", message: "Full", retryable: true, ref: 1 });
  world.peer.end(1006);
  await world.clock.advance(200);
  expect(host.connected).toBe(false);
  world.peer.welcome({ outcome: "resumed" });
  world.peer.send({ type: "left", ref: 0, pool: "p" });
  await client.close();
  expect(notes).toEqual(["joined", "refused", "lost", "welcomed resumed", "left", "ended closed"]);
});

test("extend() gives the same extension for the same name, and throws when the client has ended", async () => {
  const world = new World();
  const client = await world.connected();
  const one = { frames: [], frame() {}, refused: () => false, welcomed() {}, lost() {}, ended() {} };
  expect(client.extend("one", () => one)).toBe(one);
  expect(client.extend("one", () => ({ ...one }))).toBe(one);
  await client.close();
  expect(() => client.extend("two", () => one)).toThrow(WeirError);
});

test("a client ignores frames of features that it does not use, and errors of nobody are reported", async () => {
  const world = new World();
  const client = await world.connected();
  const errors: string[] = [];
  client.on("error", ({ code }) => errors.push(code));
  world.peer.send({ type: "left", ref: 0, pool: "p" });
  world.peer.send({ type: "error", code: 723, cause: "tooManyMembers", message: "Full", retryable: true, ref: 1 });
  await world.clock.settle();
  expect([client.status, errors]).toEqual(["connected", ["tooManyMembers"]]);
});
