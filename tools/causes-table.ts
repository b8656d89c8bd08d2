/**
 * Writes docs/causes.md from the table of causes; a test sees that it was. Run it with `bun tools/causes-table.ts`.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { causesText } from "../src/ops/replay/causes-text.ts";

writeFileSync(join(import.meta.dir, "../docs/causes.md"), causesText());
