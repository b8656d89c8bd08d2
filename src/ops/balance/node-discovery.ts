/**
 * Finds backends by asking a gateway for the nodes of its cluster: `GET /api/v1/nodes`, every few seconds. Who does not
 * answer is passed over for the next, at last for the nodes that were found before; when nobody answers, what was found stays.
 * @module
 */
import { z } from "zod";
import type { Clock, Logger, Timer } from "../../runtime/ports.ts";
import { readBackend } from "./backend.ts";
import type { Backends, DiscoveredNode } from "./backends.ts";

export type NodeDiscoveryOptions = {
  /** `http://10.0.0.5:8080`, in the order in which they are asked. */
  readonly urls: readonly string[];
  /** API key, or JWT, with the role `viewer`. */
  readonly token: string | undefined;
  readonly intervalMs: number;
  /** Of one question. */
  readonly timeoutMs: number;
};
export type NodeDiscoveryPorts = { readonly clock: Clock; readonly logger: Logger };

/** What is needed of an answer, which says more. */
const member = z.object({
  node: z.string(),
  http: z.string(),
  status: z.string(),
  compatible: z.boolean(),
  weight: z.number().positive(),
  load: z.object({ cpu: z.number() }),
});
const page = z.object({ items: z.array(z.object({ member })) });

/** As its cluster sees it; the others are about to come or to go. */
const taking: ReadonlySet<string> = new Set(["healthy", "suspect"]);

export class NodeDiscovery {
  readonly #options: NodeDiscoveryOptions;
  readonly #backends: Backends;
  readonly #ports: NodeDiscoveryPorts;
  #found: readonly string[] = [];
  #timer: Timer | undefined;
  #isStopped = false;
  #isSilent = false;

  constructor(options: NodeDiscoveryOptions, backends: Backends, ports: NodeDiscoveryPorts) {
    this.#options = options;
    this.#backends = backends;
    this.#ports = ports;
  }

  /** Resolves when the first answer is there, or nobody gave one. */
  async start(): Promise<void> {
    await this.#ask();
    if (this.#isStopped) return;
    this.#timer = this.#ports.clock.after(this.#options.intervalMs, () => void this.start());
  }
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #ask(): Promise<void> {
    const problems: string[] = [];
    for (const url of new Set([...this.#options.urls, ...this.#found])) {
      try {
        const nodes = await this.#nodesAt(url);
        if (this.#isStopped) return;
        this.#backends.discovered(nodes.map(({ node }) => node));
        this.#found = nodes.map(({ http }) => http);
        this.#isSilent = false;
        return;
      } catch (error) {
        problems.push(`${url}: ${(error as Error).message}`);
      }
    }
    // Once, not with every question.
    if (!this.#isSilent) this.#ports.logger.log("warn", "no gateway tells its nodes", { problems });
    this.#isSilent = true;
  }

  async #nodesAt(url: string): Promise<readonly { readonly node: DiscoveredNode; readonly http: string }[]> {
    const { token, timeoutMs } = this.#options;
    const response = await fetch(new URL("/api/v1/nodes", url), {
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "error",
    });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const { items } = page.parse(await response.json());
    return items.flatMap(({ member: { node: name, http, status, compatible, weight, load } }) => {
      const spec = readBackend(http);
      if (typeof spec === "string") return [];
      const leaving = !taking.has(status) || !compatible;
      return [{ http, node: { name, spec: { ...spec, weight }, leaving, load } }];
    });
  }
}
