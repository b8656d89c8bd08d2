/**
 * Removes what a node keeps for a while only: ended sessions, old connections, idempotency keys, what retention no longer
 * holds. What cannot be removed now is tried again the next time.
 * @module
 */
import type { Retention } from "./log/event-log.ts";
import type { NodeJournal } from "./node-journal.ts";
import type { Logger, Ports } from "./ports.ts";
import { sweepPublications } from "./publication.ts";
import type { Services } from "./services.ts";
import type { Sessions } from "./session/sessions.ts";

type Kept = { readonly sessions: Sessions; readonly journal: NodeJournal; readonly journalKeepMs: number };

export function sweepEnded(services: Services, { sessions, journal, journalKeepMs }: Kept): void {
  const { cluster, ports } = services;
  const isMember = (node: string) => cluster.member(node) !== undefined;
  sessions.sweepEnded();
  tried(journal.sweep(ports.clock.now(), journalKeepMs, isMember), ports, "old connections not forgotten");
  tried(sweepPublications(services), ports, "old idempotency keys not forgotten");
}

/** Absent: everything is held. */
export function trim(ports: Ports, retention: Retention | undefined): void {
  if (retention !== undefined) tried(ports.log.trim(retention), ports, "retention failed");
}

function tried(work: Promise<unknown>, { logger }: { readonly logger: Logger }, failure: string): void {
  work.catch((error: unknown) => logger.log("warn", failure, { error: String(error) }));
}
