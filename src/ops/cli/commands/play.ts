/**
 * `weir play`: plays the records of a segment that `weir record` exported.
 * @module
 */
import { defineCommand } from "citty";
import { segmentLog } from "../../replay/segment.ts";
import { filterNamed } from "../arguments.ts";
import { segmentAt } from "../look-back.ts";
import { play, playArgs } from "../play-to.ts";

export const playCommand = defineCommand({
  meta: { name: "play", description: "Play the records of a file that weir record wrote" },
  args: {
    file: { type: "positional", description: "File of weir record", required: true },
    filter: { type: "string", description: "Records that match", default: ">", valueHint: "filter" },
    ...playArgs,
  },
  run: async ({ args: given }) => {
    const filter = filterNamed("--filter", given.filter);
    return await play(segmentLog(await segmentAt(given.file)), { ...given, filter });
  },
});
