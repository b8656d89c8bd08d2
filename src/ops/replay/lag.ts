/**
 * How far sessions are behind: the records that the log holds for their subscriptions and that they have not
 * acknowledged. Counted from the log itself, up to a bound for each subscription.
 * @module
 */
import type { SubscriptionState } from "../../actors/session/state.ts";
import type { EpochMs, Seq } from "../../protocol/ids.ts";
import { lanes } from "../../protocol/lane.ts";
import { foldJournal } from "./journal-actor.ts";
import type { LiveState } from "./live.ts";
import type { ReadableLog } from "./readable-log.ts";
import { sessionFold } from "./session-actor.ts";
import { visitSessions } from "./visit-sessions.ts";

export type Lag = {
  readonly session: string;
  readonly subject: string;
  readonly state: string;
  readonly records: number;
  /** There are more: they were counted up to a bound. */
  readonly more: boolean;
  /** When the oldest of them was published. */
  readonly oldestAt?: EpochMs;
  readonly filters: readonly FilterLag[];
};
export type FilterLag = {
  readonly filter: string;
  readonly position: Seq;
  readonly records: number;
  readonly more: boolean;
  readonly oldestAt?: EpochMs;
  /** Records that were given back and wait for another try. */
  readonly waiting: number;
};
export type LagPage = { readonly sessions: readonly Lag[]; readonly lastSeq: Seq; readonly more: boolean };

const countedMax = 10_000;
const pageRecords = 2_048;
const pageBytes = 8 * 1_048_576;

/** The furthest behind first. Sessions that are up to date are left out. */
export async function lagOf(
  log: ReadableLog,
  { max, live }: { readonly max: number; readonly live?: LiveState },
): Promise<LagPage> {
  const lags: Lag[] = [];
  await visitSessions(log, async (id) => {
    const lag = await lagOfSession(log, id, live);
    if (lag !== undefined && lag.records > 0) lags.push(lag);
  });
  lags.sort(
    (a, b) => b.records - a.records || (a.oldestAt ?? 0) - (b.oldestAt ?? 0) || a.session.localeCompare(b.session),
  );
  return { sessions: lags.slice(0, max), lastSeq: await log.end(), more: lags.length > max };
}

/** Undefined: it does not exist, or it has ended. */
export async function lagOfSession(log: ReadableLog, id: string, live?: LiveState): Promise<Lag | undefined> {
  const { state } = await foldJournal(sessionFold, { log, id });
  if (state.status !== "open") return undefined;
  const now = await live?.session(id);
  const filters: FilterLag[] = [];
  for (const held of state.subscriptions.values()) {
    if (held.qos === 0) continue;
    const chains = now?.subscriptions.find((one) => one.filter === held.filter)?.chains ?? [];
    const positions = lanes.map((lane) => Math.max(held.positions[lane], chains[lane]?.position ?? 0));
    filters.push(await filterLag(log, held, positions));
  }
  const oldest = filters.flatMap(({ oldestAt }) => (oldestAt === undefined ? [] : [oldestAt]));
  return {
    ...{ session: id, subject: state.subject, state: sessionFold.stateName(state), filters },
    records: filters.reduce((sum, { records }) => sum + records, 0),
    more: filters.some(({ more }) => more),
    ...(oldest.length === 0 ? {} : { oldestAt: Math.min(...oldest) }),
  };
}

async function filterLag(log: ReadableLog, held: SubscriptionState, positions: readonly Seq[]): Promise<FilterLag> {
  const { filter, naks } = held;
  const position = Math.min(...positions);
  let records = naks.size;
  let oldestAt: EpochMs | undefined;
  let done = false;
  for (let after = position; !done && records < countedMax; ) {
    const page = await log.read({ filter, after, recordsMax: pageRecords, bytesMax: pageBytes });
    for (const { seq, lane, time } of page.records) {
      if (seq <= (positions[lane] as Seq)) continue;
      records++;
      oldestAt ??= time;
    }
    after = page.scannedTo;
    done = page.done;
  }
  const waiting = naks.size;
  return { filter, position, records, more: !done, waiting, ...(oldestAt === undefined ? {} : { oldestAt }) };
}
