/**
 * The parent's end of clients.ts.
 * @module
 */
import type { CrowdReport, CrowdSpec } from "../../test/migration/crowd.ts";
import type { Answer, Order } from "./clients.ts";

export class CrowdProcess implements AsyncDisposable {
  readonly #child: Bun.Subprocess;
  #answer: ((answer: Answer) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;

  constructor() {
    const main = `${import.meta.dir}/clients.ts`;
    this.#child = Bun.spawn(["bash", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "clients", process.execPath, main], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (answer: Answer) => this.#answer?.(answer),
      onExit: (_, code) => this.#fail?.(new Error(`The clients ended with exit code ${code}`)),
    });
  }

  async open(spec: CrowdSpec): Promise<void> {
    await this.#ask({ type: "open", spec });
  }
  async publish(): Promise<void> {
    await this.#ask({ type: "publish" });
  }
  async settle(): Promise<void> {
    await this.#ask({ type: "settle" });
  }
  async nodes(): Promise<ReadonlyMap<string, number>> {
    const answer = await this.#ask({ type: "look" });
    return new Map(answer.type === "looked" ? answer.nodes : []);
  }
  async report(): Promise<CrowdReport> {
    const answer = await this.#ask({ type: "report" });
    if (answer.type !== "reported") throw new Error(`Asked for a report, got ${answer.type}`);
    return answer.report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail = undefined;
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  #ask(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#fail = reject;
      this.#child.send(order);
    });
  }
}
