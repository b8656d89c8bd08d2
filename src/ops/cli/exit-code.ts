/**
 * What the `weir` command's exit codes mean, and the errors that end it with one.
 *
 * Pure.
 * @module
 */
export const exitCodes = {
  /** Done as asked. */
  done: 0,
  /** Something outside failed: the log or port cannot be opened, the gateway refused or cannot be reached. */
  failed: 1,
  /** The command line or the configuration is wrong; nothing was started. */
  usage: 2,
  /** `demo` or `bench` saw a record lost or seen twice. */
  promiseBroken: 3,
  /** `shadow` decided otherwise than was recorded. */
  differs: 4,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends the command with a message for people, without a stack. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): CliError {
  return new CliError(exitCodes.usage, message);
}
