/**
 * Decides which backends a request is tried on, one after the other, until one takes it or too many did not.
 * @module
 */
import type { Backend } from "./backend.ts";
import type { BalanceContext } from "./balance-context.ts";
import type { RequestHead } from "./http-head.ts";
import type { Problem, ProblemCause } from "./proxy-problem.ts";
import { cookieIn, cookieOf, keyOf, setCookie } from "./stickiness.ts";

export type Attempt = {
  readonly backend: Backend;
  readonly why: string;
  /** When it began, on the proxy's clock. */
  readonly at: number;
  /** For the client, when it does not have that cookie yet. */
  readonly setCookie: string | undefined;
};
type Asking = { readonly head: RequestHead; readonly address: string; readonly secure: boolean };

export class Attempts {
  readonly #context: BalanceContext;
  readonly #asking: Asking;
  readonly #named: string | undefined;
  readonly #key: string | undefined;
  readonly #tried = new Set<string>();
  #last: Problem | undefined;

  constructor(context: BalanceContext, asking: Asking) {
    const { stickiness } = context;
    this.#context = context;
    this.#asking = asking;
    this.#named = stickiness.by === "cookie" ? cookieIn(asking.head) : undefined;
    this.#key = keyOf(stickiness, asking.head, asking.address);
  }

  /** The next backend, or why there is none. The attempt holds its place at the backend until `over`. */
  next(): Attempt | Problem {
    const { backends, limits, metrics, logger, clock, stickiness } = this.#context;
    if (this.#tried.size >= limits.attemptsMax) return this.#exhausted();
    const choice = backends.choose({ key: this.#key, named: this.#named, except: this.#tried });
    if (choice === undefined) return this.#exhausted();
    const { backend, why } = choice;
    if (this.#tried.size > 0) metrics.retries++;
    this.#tried.add(backend.id);
    const { address, head } = this.#asking;
    logger.log("debug", "backend chosen", { client: address, backend: backend.id, why, method: head.method });
    const cookie = stickiness.by === "cookie" ? this.#cookieFor(backend) : undefined;
    return { backend, why, at: clock.now(), setCookie: cookie };
  }

  over({ backend }: Attempt): void {
    this.#context.backends.released(backend);
  }

  /** It did not take the request: another one is asked. */
  failed(attempt: Attempt, cause: ProblemCause, message: string): void {
    const { backends, logger } = this.#context;
    this.over(attempt);
    backends.failed(attempt.backend, cause);
    logger.log("warn", "backend failed", { client: this.#asking.address, backend: attempt.backend.id, cause, message });
    this.#last = { cause, detail: sentences[cause] ?? message };
  }

  succeeded({ backend, at }: Attempt): void {
    this.#context.backends.answered(backend, this.#context.clock.now() - at);
  }

  #cookieFor(backend: Backend): string | undefined {
    const name = cookieOf(backend.id);
    return name === this.#named ? undefined : setCookie(name, this.#asking.secure);
  }

  #exhausted(): Problem {
    const attempts = this.#tried.size;
    if (this.#last !== undefined) return { ...this.#last, attempts };
    return { cause: "noBackend", detail: "No backend takes connections now, try again shortly", attempts };
  }
}

/** For clients: without the addresses that messages of the system name. */
const sentences: Partial<Record<ProblemCause, string>> = {
  backendRefused: "The backend refused the connection",
  backendUnreachable: "The backend cannot be reached",
  backendTimeout: "The backend did not answer in time",
  backendUntrusted: "The backend's certificate is not trusted",
};

export function isProblem(one: Attempt | Problem): one is Problem {
  return "cause" in one;
}
