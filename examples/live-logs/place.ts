/**
 * Where this example works: gateway, topic, and the folder that holds its state.
 * @module
 */
export const gatewayUrl = process.env["WEIR_URL"] ?? "ws://localhost:8080";
export const topic = process.env["LOG_TOPIC"] ?? "logs.app";
export const folder = process.env["LOG_STATE"] ?? ".cache/live-logs";
/** Whoever stays away longer than this gets a new session. */
export const resumeWindowMs = 86_400_000;
