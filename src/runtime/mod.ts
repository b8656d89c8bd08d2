/**
 * The server: a gateway built from ports, and the ports of a real machine.
 * @module
 */

export { anonymousAuthenticator, authenticator, type JwtConfig, jwtAuthenticator } from "./auth.ts";
export type * from "./bus/bus.ts";
export { LocalHub, localBus } from "./bus/local.ts";
export type * from "./cluster/membership.ts";
export { createGateway, type Gateway, type GatewayConfig, type StopOptions } from "./gateway.ts";
export { openEmbeddedLog } from "./log/embedded/mod.ts";
export * from "./log/event-log.ts";
export { openMemoryLog } from "./log/memory.ts";
export { pinoLogger } from "./logger.ts";
export type * from "./ports.ts";
export { systemProcess } from "./process-probe.ts";
export { sha256, systemClock, systemRandom } from "./system.ts";
export { bunTransport } from "./transport/bun.ts";
export { denoTransport } from "./transport/deno.ts";
export { hostTransport } from "./transport/host.ts";
export type * from "./transport/transport.ts";
export { uwsTransport } from "./transport/uws.ts";
