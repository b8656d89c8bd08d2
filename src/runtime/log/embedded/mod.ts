/**
 * The embedded event log: one directory, one writing process, records flushed to disk before they are acknowledged.
 * @module
 */
export { openEmbeddedLog } from "./open.ts";
