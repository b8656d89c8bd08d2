/**
 * The promise, shown: publishers and subscribers at QoS 2 while their gateway is killed and started again, and an
 * independent count of what was lost or seen twice.
 * @module
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, connect } from "../../client/mod.ts";
import { freePort, GatewayProcess } from "./gateway-process.ts";
import { Tally, type Totals } from "./tally.ts";

export type DemoOptions = {
  readonly publishers: number;
  readonly subscribers: number;
  /** Records a second of each publisher. */
  readonly rate: number;
  /** 0: only when asked. */
  readonly killEveryMs: number;
};

export type DemoState = Totals & { readonly kills: number; readonly gateway: "starting" | "running" | "killed" };

const tickMs = 20;
/** Publishers wait when so many of their records are not acknowledged. */
const unackedMax = 5_000;
const reconnect = { minMs: 50, maxMs: 500 };
const settleWithinMs = 60_000;

export class Demo {
  readonly #options: DemoOptions;
  readonly #gateway: GatewayProcess;
  readonly #directory: string;
  readonly #tally: Tally;
  readonly #clients: Client[] = [];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  readonly #failures: unknown[] = [];
  #state: DemoState["gateway"] = "starting";
  #kills = 0;
  #restart: Promise<void> | undefined;

  private constructor(options: DemoOptions, gateway: GatewayProcess, directory: string) {
    this.#options = options;
    this.#gateway = gateway;
    this.#directory = directory;
    this.#tally = new Tally(options.subscribers);
  }

  static async start(options: DemoOptions): Promise<Demo> {
    const directory = await mkdtemp(join(tmpdir(), "weir-demo-"));
    const demo = new Demo(options, new GatewayProcess(await freePort(), join(directory, "log")), directory);
    try {
      await demo.#gateway.start();
      demo.#state = "running";
      await Promise.all(Array.from({ length: options.subscribers }, (_, index) => demo.#subscribe(index)));
      for (let index = 0; index < options.publishers; index++) demo.#publish(`p${index}`);
      if (options.killEveryMs > 0) demo.#timers.push(setInterval(() => void demo.kill(), options.killEveryMs));
      return demo;
    } catch (error) {
      await demo.#release();
      throw error;
    }
  }

  state(): DemoState {
    return { ...this.#tally.totals(), kills: this.#kills, gateway: this.#state };
  }

  /** Kills the gateway without warning and starts it again. While that is under way, another call does nothing. */
  kill(): Promise<void> {
    this.#restart ??= this.#killAndStart()
      .catch((error: unknown) => void this.#failures.push(error))
      .finally(() => {
        this.#restart = undefined;
      });
    return this.#restart;
  }

  /** Stops publishing, waits until everything has arrived or nothing more will, and answers the last count. */
  async finish(): Promise<DemoState> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#restart;
    const giveUpAt = performance.now() + settleWithinMs;
    while (!this.#settled() && this.#failures.length === 0 && performance.now() < giveUpAt) await sleep(tickMs);
    const state = this.state();
    await this.#release();
    if (this.#failures.length > 0) throw this.#failures[0];
    return state;
  }

  #settled(): boolean {
    const { published, acked, missing } = this.#tally.totals();
    return published === acked && missing === 0;
  }

  async #killAndStart(): Promise<void> {
    this.#state = "killed";
    this.#kills++;
    await this.#gateway.kill();
    await this.#gateway.start();
    this.#state = "running";
  }

  async #subscribe(index: number): Promise<void> {
    const client = this.#connect(`subscriber ${index}`);
    const subscription = client.subscribe("demo.>", { qos: 2, start: "all" }, (record) => {
      const [, publisher = ""] = record.topic.split(".");
      this.#tally.deliver(index, publisher, Number(record.text()));
    });
    await subscription.ready;
  }

  #publish(publisher: string): void {
    const client = this.#connect(publisher);
    const startedAt = performance.now();
    let sent = 0;
    let unacked = 0;
    const tick = (): void => {
      const due = ((performance.now() - startedAt) / 1_000) * this.#options.rate;
      for (; sent < due && unacked < unackedMax; sent++, unacked++) {
        const n = this.#tally.publish(publisher);
        client.publish(`demo.${publisher}`, n).then(
          () => {
            unacked--;
            this.#tally.acked(publisher);
          },
          (error: unknown) => void this.#failures.push(error),
        );
      }
    };
    this.#timers.push(setInterval(tick, tickMs));
  }

  #connect(agent: string): Client {
    const client = connect(this.#gateway.url, { agent, reconnect });
    this.#clients.push(client);
    return client;
  }

  async #release(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#gateway.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
