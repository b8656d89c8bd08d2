/**
 * Reads all sessions' journals as NATS holds them, and judges that no session ever had two owners.
 * @module
 */
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { SessionEvent } from "../../src/actors/session/events.ts";
import { decodeEvent } from "../../src/actors/session/persist.ts";
import { unpackEntries } from "../../src/runtime/log/jetstream/entries.ts";
import { header } from "../../src/runtime/log/jetstream/headers.ts";
import type { Violation } from "../sim/evidence.ts";

const stream = "WEIR_JOURNAL";
const subjects = "weir.j.session.>";

/** One entry of a session's journal, and the process that wrote it. */
export type Written = { readonly session: string; readonly writer: string; readonly event: SessionEvent };

export type Owners = {
  readonly sessions: number;
  /** How often a session was attached to another gateway process than before. */
  readonly moves: number;
  readonly violations: readonly Violation[];
};

/** In the order of each journal. */
export async function readJournals(servers: readonly string[]): Promise<Written[]> {
  const nc = await connect({ servers: [...servers] });
  try {
    const js = jetstream(nc);
    const found: Written[] = [];
    const consumer = await js.consumers.get(stream, { filter_subjects: [subjects] });
    let { num_pending: left } = await consumer.info();
    if (left === 0) return found;
    const messages = await consumer.consume();
    for await (const { subject, headers, data, info } of messages) {
      const writer = (headers?.get(header.op) ?? "").split(".")[0] ?? "";
      // A message without entries only fences off who wrote before.
      for (const entry of unpackEntries(data)) found.push({ session: subject, writer, event: decodeEvent(entry) });
      left = info.pending;
      if (left === 0) break;
    }
    return found;
  } finally {
    await nc.close();
  }
}

/**
 * Owners are counted, none left out and none twice. While one is attached, nobody else writes: but for the next owner,
 * who writes what a decided step still owed, that the one before was lost, and that it is attached itself.
 */
export function checkOwners(written: readonly Written[]): Owners {
  const violations: Violation[] = [];
  const bySession = Map.groupBy(written, ({ session }) => session);
  let moves = 0;
  for (const [session, entries] of bySession) {
    let [owner, by, before]: [number, string | undefined, string | undefined] = [0, undefined, undefined];
    for (const { writer, event } of entries) {
      if (event.type === "Attached") {
        if (event.owner !== owner + 1) violations.push(oneOwner(session, `owner ${event.owner} after ${owner}`));
        if (before !== undefined && before !== writer) moves++;
        owner = event.owner;
        by = before = writer;
      } else if (by !== undefined && by !== writer && !isOfNext(event)) {
        violations.push(oneOwner(session, `${writer} wrote ${event.type} while ${by} was attached as owner ${owner}`));
      } else if (event.type === "Detached") by = undefined;
    }
  }
  return { sessions: bySession.size, moves, violations };
}

function isOfNext(event: SessionEvent): boolean {
  return event.type === "TransactionCommitted" || (event.type === "Detached" && event.cause === "nodeLost");
}

function oneOwner(session: string, what: string): Violation {
  return { checker: "one owner", message: `${session}: ${what}` };
}
