/**
 * Writes the table of settings into docs/operations.md; test/ops/operations-doc.test.ts tells when that is due.
 *
 * `bun tools/settings-table.ts`
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withSettingsTable } from "../src/ops/config/settings-table.ts";

const path = join(import.meta.dir, "../docs/operations.md");
writeFileSync(path, withSettingsTable(readFileSync(path, "utf8")));
