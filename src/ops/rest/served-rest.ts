/**
 * REST as `weir serve` serves it: with the settings in force, their keys, and where nobody has set one and anybody may
 * connect anyway (development, testing) the key of an administrator.
 * @module
 */
import type { Gateway } from "../../runtime/gateway.ts";
import type { HttpHandler } from "../../runtime/http.ts";
import type { EventLog } from "../../runtime/log/event-log.ts";
import type { Authenticator, Clock, Logger, Random } from "../../runtime/ports.ts";
import { authenticatorOf } from "../authenticators.ts";
import type { Config } from "../config/profile.ts";
import type { RunningConfig } from "../config/running-config.ts";
import { dashboardHandler } from "../dashboard/page.ts";
import type { MetricsHistory } from "../telemetry/metrics-history.ts";
import { Access, type ApiKey, apiKeys } from "./access.ts";
import { type AdminKey, adminKey } from "./admin-key.ts";
import { createRest, type Rest } from "./app.ts";

export type ServedRestParts = {
  readonly settings: RunningConfig;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly authenticator: Authenticator;
  readonly history?: MetricsHistory | undefined;
};
type Address = { readonly hostname: string; readonly port: number; readonly secure: boolean };

const about = `/docs     what REST answers
/dashboard  a page for people
`;

export class ServedRest {
  /** Undefined: keys are configured, or this is production. */
  readonly adminKey: AdminKey | undefined;
  readonly #parts: ServedRestParts;
  #rest: Rest | undefined;
  #address: Address | undefined;

  constructor(parts: ServedRestParts) {
    this.#parts = parts;
    const config = parts.settings.current();
    const isOpen = config.profile !== "production" && config.security.apiKeys.length === 0;
    this.adminKey = isOpen ? adminKey(parts.random, directoryOf(config)) : undefined;
  }

  /** For the gateway's configuration. */
  readonly http = (gateway: Gateway): HttpHandler => {
    const { settings, log, clock, logger, authenticator, history } = this.#parts;
    this.#rest = createRest({
      gateway,
      log,
      clock,
      logger,
      authenticator,
      limits: () => settings.current().websocket.limits,
      keys: () => this.#keys(settings.current()),
      config: settings,
      accessWith: (config) =>
        new Access({ keys: () => this.#keys(config), authenticator: authenticatorOf(config, clock), clock }),
      history,
      address: () => this.#address,
      directory: directoryOf(settings.current()),
    });
    const { handle } = this.#rest;
    const dashboard = dashboardHandler();
    const answer: HttpHandler = async (request, remoteAddress) =>
      (await dashboard(request)) ?? handle(request, remoteAddress);
    return Object.assign(answer, { about });
  };

  listensAt(address: Address): void {
    this.#address = address;
  }

  stop(): void {
    this.#rest?.stop();
  }

  /** As soon as keys are configured, the one that was made is good for nothing. */
  #keys({ security }: Config): readonly ApiKey[] {
    const configured = apiKeys(security.apiKeys);
    return configured.length > 0 || this.adminKey === undefined ? configured : [this.adminKey.key];
  }
}

function directoryOf({ log }: Config): string | undefined {
  return log.store.kind === "embedded" ? log.store.directory : undefined;
}
