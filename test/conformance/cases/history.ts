/**
 * Section "History": READ and PAGE.
 * @module
 */
import type { Read } from "../../../src/protocol/frame.ts";
import { check, equal } from "../peer.ts";
import { type Client, type ConformanceCase, numbered, texts } from "../world.ts";

const section = "History";

/** All pages of `limit` records, until there is no next. */
async function pages(client: Client, filter: string, options: Pick<Read, "backward" | "limit">): Promise<string[][]> {
  const read: string[][] = [];
  let start: Read["start"];
  do {
    const page = await client.history(filter, { ...options, ...(start === undefined ? {} : { start }) });
    read.push(texts(page.records));
    start = page.next === undefined ? undefined : { kind: "position", seq: page.next, epoch: page.epoch };
    check(read.length < 100, "pages without end");
  } while (start !== undefined);
  return read.filter((page) => page.length > 0);
}

export const historyCases: readonly ConformanceCase[] = [
  {
    section,
    name: "READ answers the records of a filter in order, with the log's epoch and bounds",
    async run(world) {
      const client = await world.open();
      await client.publish(numbered(world.topic("h.a"), 2));
      const last = await client.publishOne(world.topic("h.b"), "3");
      const page = await client.history(world.topic("h.*"));
      equal(texts(page.records), ["1", "2", "3"], "records");
      equal(page.epoch, client.welcome.epoch, "PAGE.epoch");
      check(
        page.firstSeq >= 1 && page.lastSeq >= last,
        `PAGE bounds are ${page.firstSeq} … ${page.lastSeq}, the last record is ${last}`,
      );
      check(page.next === undefined, `PAGE.next is ${page.next} at the end`);
    },
  },
  {
    section,
    name: "READ of a topic without records answers an empty page",
    async run(world) {
      const page = await (await world.open()).history(world.topic("nothing"));
      equal([page.records.length, page.next], [0, undefined], "records and next");
    },
  },
  {
    section,
    name: "limit and next page through everything once",
    async run(world) {
      const client = await world.open();
      await client.publish(numbered(world.topic("t"), 8));
      equal(
        await pages(client, world.topic("t"), { limit: 3 }),
        [
          ["1", "2", "3"],
          ["4", "5", "6"],
          ["7", "8"],
        ],
        "pages",
      );
    },
  },
  {
    section,
    name: "backward pages begin at the newest",
    async run(world) {
      const client = await world.open();
      await client.publish(numbered(world.topic("t"), 8));
      equal(
        await pages(client, world.topic("t"), { limit: 3, backward: true }),
        [
          ["8", "7", "6"],
          ["5", "4", "3"],
          ["2", "1"],
        ],
        "pages",
      );
    },
  },
  {
    section,
    name: "READ starts after a position",
    async run(world) {
      const client = await world.open();
      const [, second] = await client.publish(numbered(world.topic("t"), 4));
      const page = await client.history(world.topic("t"), {
        start: { kind: "position", seq: second ?? 0, epoch: client.welcome.epoch },
      });
      equal(texts(page.records), ["3", "4"], "records");
    },
  },
  {
    section,
    name: "READ starts at a time",
    async run(world) {
      const client = await world.open();
      const topic = world.topic("t");
      await client.publish(numbered(topic, 3));
      const records = (await client.history(topic)).records;
      const time = records.at(-1)?.time ?? 0;
      const page = await client.history(topic, { start: { kind: "time", time } });
      equal(texts(page.records), texts(records.filter((record) => record.time >= time)), "records that are not older");
      const future = await client.history(topic, { start: { kind: "time", time: time + 86_400_000 } });
      equal(future.records.length, 0, "records from tomorrow on");
    },
  },
  {
    section,
    name: "READ is not a subscription",
    async run(world) {
      const client = await world.open();
      await client.history(world.topic("t"));
      await client.publishOne(world.topic("t"), "1");
      await world.flush(client);
      equal(client.peer.unread("deliver").length, 0, "DELIVER frames");
    },
  },
  {
    section,
    name: "READ of a bad filter is refused with badFilter",
    async run(world) {
      const { peer } = await world.open();
      peer.send({ type: "read", ref: 3, filter: world.topic("a..b") });
      await peer.refusal("badFilter", (frame) => frame.ref === 3);
    },
  },
  {
    section,
    name: "READ of the last answers the newest of each topic, ascending, or descending when backward",
    async run(world) {
      const client = await world.open();
      await client.publish([
        { topic: world.topic("l.a"), text: "old" },
        ...["a", "b", "c"].map((name) => ({ topic: world.topic(`l.${name}`), text: name })),
      ]);
      const start = { kind: "last" } as const;
      const forward = await client.history(world.topic("l.*"), { start });
      equal(texts(forward.records), ["a", "b", "c"], "records");
      const backward = await client.history(world.topic("l.*"), { start, backward: true });
      equal(texts(backward.records), ["c", "b", "a"], "records, backward");
    },
  },
  {
    section,
    name: "READ from a position of another epoch is refused with epochChanged",
    async run(world) {
      const { peer } = await world.open();
      const start = { kind: "position", seq: 1, epoch: "another" } as const;
      peer.send({ type: "read", ref: 4, filter: world.topic("t"), start });
      await peer.refusal("epochChanged", (frame) => frame.ref === 4);
    },
  },
];
