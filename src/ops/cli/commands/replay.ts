/**
 * `weir replay`: plays records, or the life of an actor, again.
 * @module
 */
import { defineCommand } from "citty";
import type { TimelineEntry } from "../../replay/actor.ts";
import { parseActor } from "../../replay/actor-kinds.ts";
import { timeline } from "../../replay/inspect.ts";
import { filterNamed } from "../arguments.ts";
import { type ExitCode, exitCodes, usageError } from "../exit-code.ts";
import { type LookBack, logArgs, lookBack, printJson, timeOf } from "../look-back.ts";
import { Keys, type PlayWords, paceOf, play, playArgs } from "../play-to.ts";
import { eventLine } from "./inspect.ts";

const args = {
  what: {
    type: "positional",
    description: "Filter as 'orders.>', or an actor: session/<id>, connection/<id>, node/<name>, or an id",
    required: true,
  },
  ...playArgs,
  ...logArgs,
} as const;

const pageMax = 1_000;

export const replayCommand = defineCommand({
  meta: { name: "replay", description: "Play records again, or the life of an actor" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async (on) => {
      if (await namesActor(on, given.what)) return await playActor(on, given.what, { ...given, filter: "" });
      return await play(on.log, { ...given, filter: filterNamed("What is replayed", given.what) });
    }),
});

/** Records are named by filters, which hold no slash; the id of a session alone is one that the log has a journal of. */
async function namesActor({ log }: LookBack, what: string): Promise<boolean> {
  if (what.includes("/")) return true;
  return /^[\w-]+$/.test(what) && (await log.journals.lastSeq({ kind: "session", id: what })) > 0;
}

async function playActor({ log }: LookBack, actor: string, words: PlayWords): Promise<ExitCode> {
  if (words.to !== "stdout") throw usageError(`--to must be stdout for an actor, got "${words.to}"`);
  const from = words.from === undefined ? 0 : timeOf("from", words.from);
  const until = words.until === undefined ? Number.POSITIVE_INFINITY : timeOf("until", words.until);
  const keys = new Keys();
  const pace = paceOf(words.speed, keys);
  let before: TimelineEntry | undefined;
  try {
    for (let after = 0; ; ) {
      const events = await timeline(log, parseActor(actor), { after, max: pageMax });
      for (const event of events) {
        if (event.time < from) continue;
        if (event.time > until) return exitCodes.done;
        if (typeof pace === "function" && !(await pace())) return exitCodes.done;
        if (typeof pace === "number" && before !== undefined) await pause((event.time - before.time) / pace);
        words.json ? printJson(event) : console.log(eventLine(event));
        before = event;
      }
      const last = events.at(-1);
      if (last === undefined || events.length < pageMax) return exitCodes.done;
      after = last.seq;
    }
  } finally {
    keys.close();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, ms));
  });
}
