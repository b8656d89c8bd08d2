/**
 * Topics and their history: what the log holds, forward and backward, and as it comes.
 * @module
 */
import { z } from "@hono/zod-openapi";
import { laneNames } from "../../../protocol/lane.ts";
import { covers, filterProblem } from "../../../protocol/topic.ts";
import { startIn } from "../../../runtime/plain/upgrade.ts";
import { startOf } from "../../../runtime/session/subscribe-options.ts";
import { type Caller, mayAct } from "../access.ts";
import { type Ask, endpoint, pageOf, pageQuery } from "../endpoint.ts";
import { eventsResponse } from "../live.ts";
import type { RestParts } from "../parts.ts";
import { ProblemError } from "../problem.ts";
import { recordEvents } from "../record-events.ts";
import { recordSchema, recordView } from "../record-view.ts";
import { seq, time } from "../schemas.ts";

const pageBytesMax = 4 * 1_048_576;
const topic = z.strictObject({ topic: z.string().min(1).max(256) });
const history = z.strictObject({
  ...pageQuery(100, 1_000),
  from: z.string().max(128).optional().openapi({
    description: "`all`, `new`, a record's `position`, or a time as 2026-01-31T12:00:00Z. None: `all` (streams: `new`)",
  }),
  backward: z
    .enum(["true", "false"])
    .default("false")
    .openapi({ description: "Newest first, from `from`, or from the end; of `all` too" }),
});

export function topicRoutes(parts: RestParts): void {
  const { log } = parts;
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/topics",
      tag: "topics",
      summary: "Topics that the log holds, in order of their newest record",
      description: "A topic that gets a record while you walk comes again at the end.",
      role: "viewer",
      query: z.strictObject({ ...pageQuery(100, 1_000), filter: z.string().max(256).default(">") }),
      answer: pageOf(
        z
          .strictObject({
            topic: z.string(),
            lastSeq: seq,
            lastTime: time,
            lastId: z.string(),
            lane: z.enum(laneNames),
            bytes: z.int(),
          })
          .openapi("Topic"),
        "TopicPage",
      ),
    },
    async ({ query: { cursor, max, filter } }) => {
      mustBeFilter(filter, "$.filter");
      const newest = await log.lastPerTopic(filter, placeIn(cursor), max);
      const items = newest.map((record) => ({
        topic: record.topic,
        lastSeq: record.seq,
        lastTime: record.time,
        lastId: record.id,
        lane: laneNames[record.lane],
        bytes: record.payload.byteLength,
      }));
      return newest.length < max ? { items } : { items, next: String(newest[newest.length - 1]?.seq) };
    },
  );
  endpoint(
    parts,
    {
      method: "get",
      path: "/api/v1/topics/{topic}/records",
      tag: "topics",
      summary: "History of a topic or filter, or its records as they come (text/event-stream)",
      description:
        "Needs the role viewer, or a token whose `subscribe` claim covers it. As events: `record` with the position as id; send it back as `Last-Event-ID` (or `from`) to go on without a hole.",
      role: "claims",
      params: topic,
      query: history,
      answer: z
        .strictObject({
          items: z.array(recordSchema),
          next: z.string().optional(),
          epoch: z.string(),
          firstSeq: seq,
          lastSeq: seq,
        })
        .openapi("RecordPage"),
      events: (ask) => streamRecords(parts, ask),
      problems: [409],
    },
    (ask) => readRecords(parts, ask),
  );
}

type HistoryAsk = Ask<z.infer<typeof topic>, z.infer<typeof history>, undefined>;

async function readRecords({ log }: RestParts, { params, query, caller }: HistoryAsk) {
  const filter = params.topic;
  mustRead(caller, filter);
  const { cursor, max, from, backward } = query;
  const { epoch, firstSeq, lastSeq } = log.info();
  const bounds = { filter, recordsMax: max, bytesMax: pageBytesMax };
  const back = backward === "true";
  const isWhole = from === undefined || (back && from === "all");
  const start = isWhole ? undefined : await placeOf(log, from);
  const page = back
    ? await log.read({ ...bounds, after: firstSeq - 1, until: untilOf(cursor, start ?? lastSeq), backward: true })
    : await log.read({ ...bounds, after: Math.max(placeIn(cursor), start ?? firstSeq - 1) });
  const items = page.records.map((record) => recordView(record, epoch));
  return { items, ...(page.done ? {} : { next: String(page.scannedTo) }), epoch, firstSeq, lastSeq };
}

/** A cursor of a backward page is the lowest place that was read. */
const untilOf = (cursor: string, end: number): number => (cursor === "" ? end : Math.min(end, placeIn(cursor) - 1));

async function streamRecords(parts: RestParts, { params, query, caller, request }: HistoryAsk): Promise<Response> {
  const { log, gateway, clock, live, access } = parts;
  const filter = params.topic;
  mustRead(caller, filter);
  const from = request.headers.get("last-event-id") ?? query.from ?? "new";
  const after = from === "new" ? gateway.inspect().node().position : await placeOf(log, from);
  live.enter();
  const abort = new AbortController();
  const tail = gateway.tail({ filter, after, signal: abort.signal });
  const ended = (): void => {
    abort.abort();
    live.leave();
  };
  const holds = (): boolean => access.holds(caller);
  return eventsResponse(recordEvents({ tail, clock, epoch: log.info().epoch, holds, ended }));
}

/** Exclusive lower bound. */
async function placeOf(log: RestParts["log"], from: string): Promise<number> {
  const start = startIn(from);
  if (start === undefined)
    throw new ProblemError(400, "badRequest", `from is all, new, a position or a time, got "${from}"`);
  const { positions, answer } = await startOf(start, log, log.info().lastSeq);
  if (answer.kind === "epochChanged" || answer.kind === "ahead")
    throw new ProblemError(
      409,
      answer.kind,
      "The position is of another log, or of a part that it has lost: begin with from=all",
    );
  return positions[0];
}

function placeIn(cursor: string): number {
  const place = cursor === "" ? 0 : Number(cursor);
  if (!Number.isSafeInteger(place) || place < 0)
    throw new ProblemError(400, "badRequest", `cursor is "next" of the page before, got "${cursor}"`);
  return place;
}

export function mustBeFilter(filter: string, at: string): void {
  const problem = filterProblem(filter);
  if (problem !== undefined) throw new ProblemError(400, "badFilter", problem, [{ at, message: problem }]);
}

function mustRead(caller: Caller, filter: string): void {
  mustBeFilter(filter, "$.topic");
  if (mayAct(caller, "viewer") || caller.subscribe.some((claim) => covers(claim, filter))) return;
  throw new ProblemError(403, "subscribeForbidden", `Neither a role nor a subscribe claim covers "${filter}"`);
}
