/**
 * Makes the golden segment of this version: test/golden/segments/<version>/story.weir. Run it once for each release, and
 * never over a segment of a version that was released: that segment is what was decided then.
 * @module
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { recordSegment } from "../src/ops/replay/record.ts";
import { version } from "../src/runtime/version.ts";
import { tell } from "../test/ops/replay/story.ts";

const folder = join(import.meta.dir, "../test/golden/segments", version);
const file = join(folder, "story.weir");
if (existsSync(file)) throw new Error(`${file} is there: it belongs to that version for good`);
mkdirSync(folder, { recursive: true });
const { stage } = tell();
const { records, entries } = await recordSegment(stage.log, file, { now: stage.clock.nowMs });
console.log(`Wrote ${file}: ${records} records, ${entries} journal entries`);
