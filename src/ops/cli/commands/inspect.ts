/**
 * `weir inspect`: what an actor is, what it was at any point, what changed between two points, and what it becomes.
 * @module
 */
import { defineCommand } from "citty";
import { stringify } from "yaml";
import type { ActorKey, TimelineEntry } from "../../replay/actor.ts";
import { parseActor } from "../../replay/actor-kinds.ts";
import { type Difference, diffInspections } from "../../replay/diff.ts";
import { type Inspection, inspectActor, timeline } from "../../replay/inspect.ts";
import { instant } from "../../replay/text.ts";
import { wholeNumber } from "../arguments.ts";
import { type ExitCode, exitCodes, usageError } from "../exit-code.ts";
import { interrupted } from "../gateway-client.ts";
import { jsonArgs, type LookBack, liveArgs, logArgs, lookBack, pointOf, printJson } from "../look-back.ts";

const args = {
  actor: { type: "positional", description: "session/<id>, connection/<id>, node/<name>, or an id", required: true },
  against: { type: "positional", description: "The second point of --diff", required: false },
  at: { type: "string", description: "After this event, or at this time; absent: now", valueHint: "seq|time" },
  diff: {
    type: "string",
    description: "What changed from this point to the next word: --diff 3 9",
    valueHint: "seq|time",
  },
  watch: { type: "boolean", description: "Go on with every event that comes", default: false },
  events: { type: "string", description: "Print so many of its last events", default: "10", valueHint: "number" },
  ...logArgs,
  ...liveArgs,
  ...jsonArgs,
} as const;

const eventsMax = 100_000;
const watchMs = 500;
const pageMax = 1_000;

export const inspectCommand = defineCommand({
  meta: { name: "inspect", description: "Show what an actor is, or was at any point of its life" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async (on) => {
      const key = parseActor(given.actor);
      const { diff, against, at, json } = given;
      if (diff !== undefined) return await printDiff(on, key, { from: diff, to: against, json });
      if (against !== undefined) throw usageError(`Unexpected argument "${against}", it takes two with --diff alone`);
      const count = wholeNumber("events", given.events, { min: 0, max: eventsMax });
      const point = at === undefined ? undefined : pointOf("at", at);
      const inspection = await inspectActor(on.log, key, {
        ...(point === undefined ? {} : { at: point }),
        ...(on.live === undefined ? {} : { live: on.live }),
      });
      const after = Math.max(0, inspection.seq - count);
      const events = count === 0 ? [] : await timeline(on.log, key, { after, max: inspection.seq - after });
      if (json) printJson({ ...inspection, events });
      else print(inspection, events);
      return given.watch ? await watch(on, { key, json, after: inspection.seq }) : exitCodes.done;
    }),
});

function print({ key, seq, time, state, statechart, live }: Inspection, events: readonly TimelineEntry[]): void {
  const when = seq === 0 ? "before its first event" : `after event ${seq}, ${instant(time)}`;
  console.log(`${key.kind}/${key.id} ${when}`);
  console.log(`${statechart.name} is ${statechart.state}\n`);
  console.log(stringify(state).trimEnd());
  if (live !== undefined) console.log(`\nnow, in memory of ${live.node}:\n${stringify(live).trimEnd()}`);
  if (events.length > 0) console.log("\nevents:");
  for (const event of events) console.log(eventLine(event));
}

export function eventLine({ seq, time, type, summary }: TimelineEntry): string {
  return `${String(seq).padStart(6)}  ${instant(time)}  ${type.padEnd(20)}  ${summary}`;
}

type Points = { readonly from: string; readonly to: string | undefined; readonly json: boolean };

async function printDiff({ log }: LookBack, key: ActorKey, { from, to, json }: Points): Promise<ExitCode> {
  const a = await inspectActor(log, key, { at: pointOf("diff", from) });
  const b = await inspectActor(log, key, to === undefined ? {} : { at: pointOf("diff", to) });
  const differences = diffInspections(a, b);
  if (json) printJson({ key, from: a.seq, to: b.seq, differences });
  else {
    console.log(`${key.kind}/${key.id} from event ${a.seq} to event ${b.seq}`);
    for (const difference of differences) console.log(differenceLine(difference));
    if (differences.length === 0) console.log("  no difference");
  }
  return exitCodes.done;
}

function differenceLine({ path, from, to }: Difference): string {
  const show = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));
  return `  ${path}: ${show(from)} → ${show(to)}`;
}

type Watched = { readonly key: ActorKey; readonly json: boolean; readonly after: number };

/** A log that another process writes tells nobody: it is asked. */
async function watch({ log }: LookBack, { key, json, after }: Watched): Promise<ExitCode> {
  let over = false;
  const ended = interrupted().then(() => {
    over = true;
  });
  for (let at = after; !over; ) {
    const events = await timeline(log, key, { after: at, max: pageMax });
    for (const event of events) json ? printJson(event) : console.log(eventLine(event));
    at = events.at(-1)?.seq ?? at;
    if (events.length === 0) await Promise.race([ended, new Promise((wake) => setTimeout(wake, watchMs))]);
  }
  return exitCodes.done;
}
