/**
 * `weir why`: the chain of causes in an actor's life, with what to do and the setting to change.
 * @module
 */
import { defineCommand } from "citty";
import { parseActor } from "../../replay/actor-kinds.ts";
import { instant } from "../../replay/text.ts";
import { type Finding, whyOf } from "../../replay/why.ts";
import { exitCodes } from "../exit-code.ts";
import { jsonArgs, logArgs, lookBack, printJson } from "../look-back.ts";

const args = {
  actor: { type: "positional", description: "session/<id>, connection/<id>, node/<name>, or an id", required: true },
  ...logArgs,
  ...jsonArgs,
} as const;

export const whyCommand = defineCommand({
  meta: { name: "why", description: "Say why it ended, was refused, gave up or fell behind" },
  args,
  run: ({ args: given, rawArgs }) =>
    lookBack({ args, rawArgs }, async ({ log }) => {
      const key = parseActor(given.actor);
      const findings = await whyOf(log, key);
      if (given.json) printJson({ key, findings });
      else if (findings.length === 0) console.log(`Nothing went wrong with ${key.kind}/${key.id}`);
      else for (const finding of findings) console.log(findingText(finding));
      return exitCodes.done;
    }),
});

function findingText({ time, seq, cause, sentence, advice, setting }: Finding): string {
  const where = seq === undefined ? "" : `  event ${seq}`;
  const change = setting === undefined ? "" : `\n    setting: ${setting}`;
  return `${instant(time)}${where}  ${cause}\n    ${sentence}\n    ${advice}${change}`;
}
