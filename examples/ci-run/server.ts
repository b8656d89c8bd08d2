/**
 * Serves the page that shows a run. It talks to the gateway itself.
 *
 * `npx bun examples/ci-run/server.ts`
 * @module
 */
import { servePage } from "../serve-page.ts";

await servePage({ folder: import.meta.dir });
