/**
 * Starts the gateway as a user does, with an embedded log in a directory of its own.
 * @module
 */
const cli = `${import.meta.dir}/../../src/ops/cli/main.ts`;

export async function weirCommand(port: number, dir: string): Promise<readonly string[]> {
  return [process.execPath, cli, "serve", "--port", String(port), "--log", `embedded:${dir}/log`];
}
