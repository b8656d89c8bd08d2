/**
 * Asks each backend now and again whether it takes clients: `GET /ready` answered with 200, or that it can be connected to.
 * @module
 */
import type { EpochMs } from "../../protocol/ids.ts";
import type { Clock, Timer } from "../../runtime/ports.ts";
import type { Backend } from "./backend.ts";
import type { BackendLink } from "./backend-link.ts";
import type { Backends } from "./backends.ts";

/** connect: whoever takes a connection is healthy · off: everybody is, until failures eject him. */
export type HealthCheck =
  | { readonly kind: "http"; readonly path: string }
  | { readonly kind: "connect" }
  | { readonly kind: "off" };

export type HealthChecksOptions = {
  readonly backends: Backends;
  readonly link: BackendLink;
  readonly check: HealthCheck;
  readonly timeoutMs: number;
};
type Result = { readonly ok: boolean; readonly detail: string };

/** Looked for so often: whose turn it is. */
const lookMs = 100;

export class HealthChecks {
  readonly #options: HealthChecksOptions;
  readonly #clock: Clock;
  readonly #running = new Set<Backend>();
  #timer: Timer | undefined;

  constructor(options: HealthChecksOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Resolves when each was checked once. */
  async start(): Promise<void> {
    if (this.#options.check.kind === "off") return;
    await Promise.all(this.#due(this.#clock.now()).map((backend) => this.#check(backend)));
    this.#look();
  }
  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    this.#timer = this.#clock.after(lookMs, () => {
      for (const backend of this.#due(this.#clock.now())) void this.#check(backend);
      this.#look();
    });
  }

  #due(now: EpochMs): readonly Backend[] {
    return this.#options.backends.all().filter((one) => one.health.nextAt <= now && !this.#running.has(one));
  }

  async #check(backend: Backend): Promise<void> {
    this.#running.add(backend);
    const result = await this.#ask(backend);
    this.#running.delete(backend);
    this.#options.backends.checked(backend, result);
  }

  async #ask(backend: Backend): Promise<Result> {
    const { link, check, timeoutMs } = this.#options;
    const dialled = await link.dial(backend.spec, timeoutMs);
    if (!dialled.ok) return { ok: false, detail: dialled.message };
    const { reader } = dialled;
    try {
      if (check.kind !== "http") return { ok: true, detail: "connected" };
      const head = `GET ${check.path} HTTP/1.1\r\nHost: ${backend.id}\r\nConnection: close\r\n\r\n`;
      reader.socket.write(Buffer.from(head, "latin1"));
      const answer = await link.answer(reader, timeoutMs);
      if (!answer.ok) return { ok: false, detail: answer.detail };
      return { ok: answer.head.status === 200, detail: `${check.path} answered ${answer.head.status}` };
    } finally {
      reader.socket.destroy();
    }
  }
}
