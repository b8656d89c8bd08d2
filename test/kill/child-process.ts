/**
 * The client of child.ts as a process that a test kills, pauses and starts again, and its facts as evidence.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { normalLane } from "../../src/protocol/lane.ts";
import type { Evidence } from "../sim/evidence.ts";
import { childFacts, childFilter, childTopic } from "./child.ts";

export class ChildProcess {
  readonly name: string;
  readonly #urls: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "weir-child-"));
  #process: Bun.Subprocess;

  constructor(urls: readonly string[], name: string) {
    this.#urls = urls;
    this.name = name;
    this.#process = this.#spawn();
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }
  start(): void {
    this.#process = this.#spawn();
  }
  async killAndRestart(): Promise<void> {
    await this.kill();
    this.start();
  }
  pause(): void {
    this.#process.kill("SIGSTOP");
  }
  continue(): void {
    this.#process.kill("SIGCONT");
  }
  stopPublishing(): void {
    this.#process.kill("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** With its facts as they are now, in place of those of an earlier look. */
  addTo(evidence: Evidence): Evidence {
    const facts = childFacts(this.#folder);
    const publishes = new Map(evidence.publishes);
    for (const { type, key } of facts) {
      if (type === "called") publishes.set(key, { key, topic: childTopic, lane: normalLane, outcome: "unknown" });
      const known = publishes.get(key);
      if (type === "acknowledged" && known !== undefined) known.outcome = "acknowledged";
    }
    const processed = facts.flatMap((fact) => (fact.type === "processed" ? [fact] : []));
    const fact = {
      name: this.name,
      filter: childFilter,
      qos: 2,
      startsAtLast: false,
      after: 0,
      processed,
      refused: new Set<number>(),
      deadLettered: new Set<number>(),
    } as const;
    return { ...evidence, publishes, subscribers: [...evidence.subscribers, fact] };
  }

  #spawn(): Bun.Subprocess {
    const args = [join(import.meta.dir, "child.ts"), this.#urls.join(","), this.#folder, this.name];
    return Bun.spawn([process.execPath, ...args], { stdout: "ignore", stderr: "inherit" });
  }
}
