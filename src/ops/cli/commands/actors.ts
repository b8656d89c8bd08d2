/**
 * `weir actors`: lists the actors that a log tells of.
 * @module
 */
import { defineCommand } from "citty";
import { actorKindNames } from "../../replay/actor-kinds.ts";
import { type ActorRow, listActors } from "../../replay/inspect.ts";
import { instant, milliseconds } from "../../replay/text.ts";
import { duration, oneOf, wholeNumber } from "../arguments.ts";
import { exitCodes } from "../exit-code.ts";
import { jsonArgs, logArgs, lookBack, printJson, table } from "../look-back.ts";

const args = {
  kind: {
    type: "string",
    description: `${actorKindNames.join(", ")}; by default session`,
    default: "session",
    valueHint: "kind",
  },
  state: { type: "string", description: "Only those in this state, as attached, detached, closed", valueHint: "state" },
  "older-than": { type: "string", description: "Only those that began so long ago, as 90s, 12h, 7d", valueHint: "age" },
  limit: { type: "string", description: "At most so many", default: "100", valueHint: "number" },
  cursor: { type: "string", description: "Go on where the page before ended", valueHint: "cursor" },
  ...logArgs,
  ...jsonArgs,
} as const;

const limitMax = 10_000;

export const actorsCommand = defineCommand({
  meta: {
    name: "actors",
    description: "List sessions, or with --kind connections, nodes, pools: their state, age and events",
  },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async ({ log }) => {
      const kind = oneOf("kind", given.kind, actorKindNames);
      const max = wholeNumber("limit", given.limit, { min: 1, max: limitMax });
      const age = given["older-than"] === undefined ? 0 : duration("older-than", given["older-than"]);
      const { state, cursor } = given;
      const page = await listActors(log, {
        ...{ kind, max },
        ...(state === undefined ? {} : { state }),
        ...(cursor === undefined ? {} : { cursor }),
      });
      const now = Date.now();
      const actors = page.actors.filter(({ since }) => now - since >= age);
      if (given.json) printJson({ ...page, actors });
      else print(actors, { now, next: page.next });
      return exitCodes.done;
    }),
});

type Page = { readonly now: number; readonly next: string | undefined };

function print(actors: readonly ActorRow[], { now, next }: Page): void {
  const rows = actors.map(({ kind, id, state, since, lastEventAt, events }) => [
    `${kind}/${id}`,
    state,
    milliseconds(now - since),
    String(events),
    instant(lastEventAt),
  ]);
  console.log(table([["actor", "state", "age", "events", "last event"], ...rows]));
  if (next !== undefined) console.log(`\nMore with --cursor "${next}"`);
}
