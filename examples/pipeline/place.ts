/**
 * Where this example works: gateway, topics, and the folder that holds its state.
 * @module
 */
export const gatewayUrl = process.env["WEIR_URL"] ?? "ws://localhost:8080";
export const folder = process.env["PIPELINE_STATE"] ?? ".cache/pipeline";
export const inputTopic = "pipeline.orders";
export const outputTopic = "pipeline.invoices";
/** Whoever stays away longer than this gets a new session. */
export const resumeWindowMs = 86_400_000;

export type Order = { readonly order: string; readonly amount: number };
export type Invoice = { readonly order: string; readonly total: number };
