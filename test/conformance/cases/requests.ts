/**
 * Section "Requests": REQUEST, RESPONSE, CANCEL, SERVE.
 * @module
 */
import { CaseSkipped, check, equal } from "../peer.ts";
import { bytes, type Client, type ConformanceCase, text, type World } from "../world.ts";

const section = "Requests";

/** A client, where requests are offered. */
async function offered(world: World): Promise<Client> {
  const client = await world.open();
  if (!client.welcome.features.includes("requests")) throw new CaseSkipped("The gateway offers no requests");
  return client;
}

async function serve(client: Client, filter: string): Promise<void> {
  const ref = client.ref();
  client.peer.send({ type: "serve", ref, filter });
  equal((await client.peer.answer("served", ref)).filter, filter, "SERVED.filter");
}

function ask(client: Client, topic: string, deadlineMs = 5_000): number {
  const ref = client.ref();
  client.peer.send({ type: "request", ref, topic, payload: bytes("question"), headers: { k: "v" }, deadlineMs });
  return ref;
}

export const requestCases: readonly ConformanceCase[] = [
  {
    section,
    name: "a request reaches who serves its topic, and the response comes back with payload and headers",
    async run(world) {
      const [asker, server] = [await offered(world), await world.open()];
      await serve(server, world.topic("r.*"));
      const ref = ask(asker, world.topic("r.1"));
      const asked = await server.peer.expect("request");
      equal([asked.topic, text(asked.payload), asked.headers?.["k"]], [world.topic("r.1"), "question", "v"], "REQUEST");
      check((asked.deadlineMs ?? 0) > 0 && (asked.deadlineMs ?? 0) <= 5_000, `deadlineMs is ${asked.deadlineMs}`);
      server.peer.send({ type: "response", ref: asked.ref, payload: bytes("answer"), headers: { of: "it" } });
      const answer = await asker.peer.answer("response", ref);
      equal([text(answer.payload), answer.headers, answer.error], ["answer", { of: "it" }, undefined], "RESPONSE");
    },
  },
  {
    section,
    name: "the responder's error comes back as RESPONSE",
    async run(world) {
      const client = await offered(world);
      await serve(client, world.topic("r"));
      const ref = ask(client, world.topic("r"));
      const asked = await client.peer.expect("request");
      client.peer.send({ type: "response", ref: asked.ref, payload: bytes(""), error: "not today" });
      equal((await client.peer.answer("response", ref)).error, "not today", "RESPONSE.error");
    },
  },
  {
    section,
    name: "a topic that nobody serves, or no more, is noResponders",
    async run(world) {
      const client = await offered(world);
      const first = ask(client, world.topic("none"));
      await client.peer.refusal("noResponders", ({ ref }) => ref === first);
      await serve(client, world.topic("none"));
      const ref = client.ref();
      client.peer.send({ type: "unserve", ref, filter: world.topic("none") });
      await client.peer.answer("unserved", ref);
      const second = ask(client, world.topic("none"));
      await client.peer.refusal("noResponders", (error) => error.ref === second);
    },
  },
  {
    section,
    name: "at its deadline a request ends with deadlineExceeded, and the responder hears CANCEL",
    async run(world) {
      const [asker, server] = [await offered(world), await world.open()];
      await serve(server, world.topic("r"));
      const ref = ask(asker, world.topic("r"), 50);
      const asked = await server.peer.expect("request");
      await asker.peer.refusal("deadlineExceeded", (error) => error.ref === ref);
      equal((await server.peer.expect("cancel")).ref, asked.ref, "CANCEL.ref");
    },
  },
  {
    section,
    name: "CANCEL, and the loss of the requester, reach the responder as CANCEL, and are not answered",
    async run(world) {
      const [asker, gone, server] = [await offered(world), await world.open(), await world.open()];
      await serve(server, world.topic("r"));
      const ref = ask(asker, world.topic("r"));
      const cancelled = await server.peer.expect("request");
      asker.peer.send({ type: "cancel", ref });
      equal((await server.peer.expect("cancel")).ref, cancelled.ref, "CANCEL.ref");
      ask(gone, world.topic("r"));
      const lost = await server.peer.expect("request");
      gone.peer.close();
      equal((await server.peer.expect("cancel")).ref, lost.ref, "CANCEL.ref after the loss");
      await asker.peer.fence();
      equal(
        asker.peer.unread("error").length + asker.peer.unread("response").length,
        0,
        "answers to what was cancelled",
      );
    },
  },
  {
    section,
    name: "when the responder's connection ends before it answered, the request is responderFailed",
    async run(world) {
      const [asker, server] = [await offered(world), await world.open()];
      await serve(server, world.topic("r"));
      const ref = ask(asker, world.topic("r"));
      await server.peer.expect("request");
      server.peer.close();
      await asker.peer.refusal("responderFailed", (error) => error.ref === ref);
    },
  },
  {
    section,
    name: "a resumed session serves only what it serves again; a filter served twice is one; UNSERVE of another is notServed",
    async run(world) {
      const client = await offered(world);
      await serve(client, world.topic("r"));
      await serve(client, world.topic("r"));
      const back = await world.resume(client);
      const ref = back.ref();
      back.peer.send({ type: "unserve", ref, filter: world.topic("r") });
      await back.peer.refusal("notServed", (error) => error.ref === ref);
      const asked = ask(back, world.topic("r"));
      await back.peer.refusal("noResponders", (error) => error.ref === asked);
    },
  },
  {
    section,
    name: "a bad topic, a bad filter and a topic of the gateway's are refused with the ref",
    async run(world) {
      const client = await offered(world);
      const refs = [ask(client, "a.*"), ask(client, "$r"), client.ref()];
      client.peer.send({ type: "serve", ref: refs[2] ?? 0, filter: "a..b" });
      await client.peer.refusal("badTopic", ({ ref }) => ref === refs[0]);
      await client.peer.refusal("reservedTopic", ({ ref }) => ref === refs[1]);
      await client.peer.refusal("badFilter", ({ ref }) => ref === refs[2]);
    },
  },
];
