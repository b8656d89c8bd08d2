/**
 * What each measurement on JetStream begins with: a nats-server on core 1, beside the generator, and gateways on core 0.
 * @module
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { freePort, type PinnedProcess, startPinned, whenListening } from "../process.ts";
import { type Store, startNats } from "../targets/nats.ts";
import { weirOnNatsCommand } from "../targets/weir.ts";

const workDir = `${import.meta.dir}/../.work`;

export type GatewayOnNats = { readonly port: number; readonly process: PinnedProcess };

export class JetStreamStage implements AsyncDisposable {
  readonly store: Store;
  readonly #dir: string;
  readonly #gateways: GatewayOnNats[] = [];

  private constructor(store: Store, dir: string) {
    this.store = store;
    this.#dir = dir;
  }

  /** `more`: further lines of the server's configuration. */
  static async start(more = ""): Promise<JetStreamStage> {
    await mkdir(workDir, { recursive: true });
    const dir = await mkdtemp(`${workDir}/jetstream-`);
    return new JetStreamStage(await startNats(dir, more), dir);
  }

  get pids(): readonly number[] {
    return this.store.processes.map(({ pid }) => pid);
  }

  async gateway(): Promise<GatewayOnNats> {
    const port = freePort();
    const process = startPinned(0, await weirOnNatsCommand(port, this.#dir, "bun", this.store.url));
    await whenListening(port, process);
    const gateway = { port, process };
    this.#gateways.push(gateway);
    return gateway;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#gateways) await process.stop("SIGKILL");
    await this.store.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
