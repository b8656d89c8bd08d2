/**
 * Serves the chat page. The chat itself needs no server of its own: pages talk to the gateway.
 *
 * `npx bun examples/chat/server.ts`
 * @module
 */
import { servePage } from "../serve-page.ts";

await servePage({ folder: import.meta.dir });
