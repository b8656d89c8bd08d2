/**
 * Mutated frames: 200 000 for each codec, or as many as WEIR_FUZZ says; WEIR_FUZZ_SEED repeats a run.
 * @module
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Codec } from "../../src/protocol/codec.ts";
import { codecs } from "../../src/protocol/codecs.ts";
import type { Frame } from "../../src/protocol/frame.ts";
import { limits } from "../../src/protocol/limits.ts";
import { frames, frameTypes, fullFrame } from "../support/arbitraries.ts";
import { below, mutateBytes, mutateText, seeded } from "../support/mutate.ts";

const runs = Number(process.env.WEIR_FUZZ ?? 200_000);
const seed = Number(process.env.WEIR_FUZZ_SEED ?? 20_260_101);
const rssGrowthMax = 256 * 1_048_576;

const originals: readonly Frame[] = [...frameTypes.map(fullFrame), ...fc.sample(frames, { numRuns: 400, seed })];

/** What is wrong with the codec's answer to `data`; `undefined` when nothing is. */
function fault(codec: Codec, data: Uint8Array | string): string | undefined {
  try {
    const answer = codec.decode(data, limits);
    if (!answer.ok)
      return answer.at.startsWith("$") && answer.message !== "" ? undefined : "A refusal without place or message";
    const again = codec.decode(codec.encode(answer.frame), limits);
    return Bun.deepEquals(again, answer, true) ? undefined : "Accepted a frame that does not survive encoding";
  } catch (thrown) {
    return `Threw ${String(thrown)}`;
  }
}

describe("fuzz", () => {
  test.each(Object.values(codecs))(
    "$name codec refuses or understands every mutated frame, and never throws",
    (codec) => {
      const random = seeded(seed);
      const encoded = originals.map((frame) => codec.encode(frame));
      const rss = process.memoryUsage().rss;
      let accepted = 0;
      for (let run = 0; run < runs; run++) {
        const one = encoded[below(random, encoded.length)] as Uint8Array | string;
        const other = encoded[below(random, encoded.length)] as Uint8Array | string;
        const data =
          typeof one === "string"
            ? mutateText(one, other as string, random)
            : mutateBytes(one, other as Uint8Array, random);
        const found = fault(codec, data);
        if (found !== undefined) {
          const shown = typeof data === "string" ? JSON.stringify(data) : data.toHex();
          throw new Error(`${found}; seed ${seed}, run ${run}, ${codec.name} frame ${shown}`);
        }
        if (codec.decode(data, limits).ok) accepted += 1;
      }
      // Were all refused, nothing but the first check would have been tried.
      expect(accepted).toBeGreaterThan(runs / 100);
      Bun.gc(true);
      expect(process.memoryUsage().rss - rss).toBeLessThan(rssGrowthMax);
    },
    Math.max(60_000, runs),
  );
});
