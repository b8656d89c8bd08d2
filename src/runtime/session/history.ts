/**
 * Answers READ with one PAGE: bounded, either direction, from any place that SUBSCRIBE knows too.
 * @module
 */
import type { Page, Read } from "../../protocol/frame.ts";
import type { Seq } from "../../protocol/ids.ts";
import { filterProblem } from "../../protocol/topic.ts";
import type { LogRecord } from "../log/event-log.ts";
import { errorFrame, type SessionContext } from "./context.ts";
import { startOf } from "./subscribe-options.ts";

const limitDefault = 100;

export async function readHistory(context: SessionContext, frame: Read, allowed: boolean): Promise<void> {
  const { ref, filter } = frame;
  const { limits, services } = context;
  const { ports } = services;
  const problem = filterProblem(filter, limits);
  if (problem !== undefined) return void context.peer?.send(errorFrame("badFilter", problem, { ref }));
  if (!allowed) {
    return void context.peer?.send(
      errorFrame("subscribeForbidden", `Filter "${filter}" is not covered by the subscribe claim`, { ref }),
    );
  }
  const { epoch, firstSeq, lastSeq } = ports.log.info();
  if (frame.start?.kind === "position" && frame.start.epoch !== epoch) {
    const what = `Position ${frame.start.seq} is of epoch ${frame.start.epoch}, the log is ${epoch}`;
    return void context.peer?.send(errorFrame("epochChanged", what, { ref }));
  }
  const limit = Math.min(frame.limit ?? limitDefault, limits.pageRecordsMax);
  const read =
    frame.start?.kind === "last" ? await newest(context, frame, limit) : await stretch(context, frame, limit);
  const page: Page = {
    type: "page",
    ref,
    records: read.records,
    epoch,
    firstSeq,
    lastSeq,
    ...(read.next === undefined ? {} : { next: read.next }),
  };
  context.peer?.send(page);
}

type Stretch = { readonly records: readonly LogRecord[]; readonly next?: Seq };

async function newest(context: SessionContext, frame: Read, limit: number): Promise<Stretch> {
  const records = await context.services.ports.log.lastPerTopic(frame.filter, 0, limit);
  return { records: frame.backward === true ? records.toReversed() : records };
}

async function stretch(context: SessionContext, frame: Read, limit: number): Promise<Stretch> {
  const { limits, services } = context;
  const { ports } = services;
  const { firstSeq, lastSeq } = ports.log.info();
  const start = frame.start ?? { kind: "all" };
  const bounds = { filter: frame.filter, recordsMax: limit, bytesMax: limits.deliverBytesMax };
  if (frame.backward === true) {
    const end =
      start.kind === "position" || start.kind === "time"
        ? (await startOf(start, ports.log, lastSeq)).positions[0]
        : lastSeq;
    const until = start.kind === "position" ? end - 1 : end;
    const page = await ports.log.read({ ...bounds, after: firstSeq - 1, until, backward: true });
    return page.done ? { records: page.records } : { records: page.records, next: page.scannedTo };
  }
  const after = start.kind === "new" ? lastSeq : (await startOf(start, ports.log, lastSeq)).positions[0];
  const page = await ports.log.read({ ...bounds, after });
  return page.done ? { records: page.records } : { records: page.records, next: page.scannedTo };
}
