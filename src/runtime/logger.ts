/**
 * The logger: one JSON line per event, through pino. Secrets are masked here, once, whoever logs them: fields by their
 * name, and in any text what looks like a token, a bearer credential or a password in a URL.
 * @module
 */
import { type DestinationStream, pino } from "pino";
import type { Logger, LogLevel } from "./ports.ts";

const secretFields = [
  "token",
  "resumeKey",
  "secret",
  "password",
  "authorization",
  "cookie",
  "privateKey",
  "apiKey",
  "seed",
];
const masked = "[masked]";
const jsonWebToken = /\beyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?/g;
const bearer = /\b(Bearer\s+)[\w.~+/-]+=*/gi;
const urlPassword = /(\w:\/\/)[^\s"/@]+@/g;

export type PinoLoggerOptions = {
  readonly level: LogLevel | "silent";
  /** @default standard output */
  readonly destination?: DestinationStream;
};

export type PinoLogger = Logger & { setLevel(level: LogLevel | "silent"): void };

export function pinoLogger(options: PinoLoggerOptions): PinoLogger {
  const sink = pino(
    {
      level: options.level,
      base: null,
      serializers: { error: pino.stdSerializers.err },
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: masked },
      hooks: { streamWrite: withoutSecrets },
    },
    options.destination ?? pino.destination(1),
  );
  return {
    log: (level, event, fields) => sink[level](fields, event),
    setLevel: (level) => {
      sink.level = level;
    },
  };
}

function withoutSecrets(line: string): string {
  return line.replace(jsonWebToken, masked).replace(bearer, `$1${masked}`).replace(urlPassword, `$1${masked}@`);
}
