/**
 * What of the configuration a gateway is told: all of it at its start, and what can change while it runs.
 * @module
 */
import { hostname } from "node:os";
import type { Gateway, GatewayConfig, LiveGatewayConfig } from "../runtime/gateway.ts";
import type { PinoLogger } from "../runtime/logger.ts";
import { plainRoutes } from "../runtime/plain/route.ts";
import type { Clock } from "../runtime/ports.ts";
import { authenticatorOf, type CurrentAuthenticator } from "./authenticators.ts";
import type { Config } from "./config/profile.ts";
import type { Prepare } from "./config/running-config.ts";
import { openGeoip } from "./geoip.ts";
import { readText } from "./read-text.ts";
import type { Tracing } from "./telemetry/tracing.ts";

/** `acceleratorFreeBytes`: as whoever watches it knows it. */
export function gatewayConfigOf(config: Config, acceleratorFreeBytes?: () => number | undefined): GatewayConfig {
  const { websocket, discovery, balancing, cache } = config;
  const { host, port, tls, backpressureBytesMax } = websocket;
  const { node, accelerator, ...found } = discovery;
  const { geoip } = balancing;
  return {
    ...liveGatewayConfigOf(config),
    hostname: host,
    port,
    backpressureBytesMax,
    plainRoutes: plainRoutes(websocket.plainRoutes),
    lifecycleEvents: config.lifecycle.events,
    recent: { recordsMax: cache.recentRecords, bytesMax: cache.recentBytes },
    ...(node === undefined ? {} : { node }),
    ...(geoip.file === undefined ? {} : { locate: openGeoip(geoip.file) }),
    discovery: {
      ...found,
      host: hostname(),
      ...(accelerator === undefined || acceleratorFreeBytes === undefined ? {} : { acceleratorFreeBytes }),
    },
    ...(tls === undefined ? {} : { tls: { cert: readText(tls.cert), key: readText(tls.key) } }),
  };
}

function liveGatewayConfigOf({ websocket, log, balancing, security, persistence }: Config): LiveGatewayConfig {
  const { admissionPerSecondMax, admissionBurstMax, connectionsPerSecondMax, geoip: _, ...rules } = balancing;
  return {
    admission: { perSecond: admissionPerSecondMax, burst: admissionBurstMax },
    connectionsPerSecondMax,
    limits: websocket.limits,
    balancing: rules,
    sessionsMax: websocket.sessionsMax,
    inflowBytesMax: websocket.inflowBytesMax,
    origins: security.origins,
    retention: log.retention,
    journalKeepMs: persistence.journalKeepMs,
  };
}

export type LiveParts = {
  readonly gateway: Gateway;
  readonly logger: PinoLogger;
  readonly authenticator: CurrentAuthenticator;
  readonly clock: Clock;
  readonly tracing?: Tracing | undefined;
};

/** Puts a changed configuration in force. A key that cannot be read is known before anything has changed. */
export function prepareLive({ gateway, logger, authenticator, clock, tracing }: LiveParts): Prepare {
  return (config) => {
    const next = authenticatorOf(config, clock);
    return () => {
      gateway.configure(liveGatewayConfigOf(config));
      authenticator.use(next);
      logger.setLevel(config.logging.level);
      tracing?.setRatio(config.monitoring.tracing?.ratio ?? 0);
    };
  };
}
