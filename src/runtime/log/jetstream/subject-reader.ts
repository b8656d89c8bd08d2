/**
 * Reads all messages of one subject that the leader has, from whichever server answers.
 * @module
 */
import { pause } from "../../pause.ts";
import type { Clock } from "../../ports.ts";
import { UnavailableError } from "../event-log.ts";
import type { Api, Stored } from "./api.ts";

const batchMessages = 1_000;
const behindMs = 20;
const behindTriesMax = 500;

/** `last` is the newest as the leader has it: a server that is behind is asked again until it holds that. */
export async function* readSubject(
  api: Api,
  clock: Clock,
  at: { readonly stream: string; readonly subject: string; readonly from: number; readonly last: number },
): AsyncGenerator<Stored> {
  let seq = at.from;
  for (let behind = 0; seq <= at.last; ) {
    const { messages } = await api.batch(at.stream, { seq, next_by_subj: at.subject, batch: batchMessages });
    for (const message of messages) yield message;
    const newest = messages[messages.length - 1];
    if (newest !== undefined) seq = newest.seq + 1;
    else if (++behind > behindTriesMax)
      throw new UnavailableError(`${at.stream} has ${at.last}, but no server gives it`);
    else await pause(clock, behindMs);
  }
}
