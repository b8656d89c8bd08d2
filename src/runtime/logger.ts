/**
 * The logger: one JSON line per event, through pino. Secrets are masked here, once, whoever logs them.
 * @module
 */
import { type DestinationStream, pino } from "pino";
import type { Logger, LogLevel } from "./ports.ts";

const secretFields = ["token", "resumeKey", "secret", "password", "authorization", "cookie", "privateKey"];

export type PinoLoggerOptions = {
  readonly level: LogLevel | "silent";
  /** @default standard output */
  readonly destination?: DestinationStream;
};

export function pinoLogger(options: PinoLoggerOptions): Logger {
  const sink = pino(
    {
      level: options.level,
      base: null,
      serializers: { error: pino.stdSerializers.err },
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[masked]" },
    },
    options.destination ?? pino.destination(1),
  );
  return { log: (level, event, fields) => sink[level](fields, event) };
}
