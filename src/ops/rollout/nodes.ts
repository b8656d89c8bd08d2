/**
 * The nodes of a cluster over their REST APIs: who is there, what each did so far, and the orders that a drain and a
 * rollout give them. The gateway that is asked first names the others.
 * @module
 */

export type NodeRow = {
  readonly id: string;
  readonly self: boolean;
  readonly member: {
    readonly status: string;
    readonly version: string;
    /** Of its REST. */
    readonly http: string;
  };
};

export type DrainOrder = { readonly reason: string; readonly share?: number; readonly to?: readonly string[] };
export type DrainState = {
  readonly state: "moving" | "done";
  readonly waiting: number;
  readonly sent: number;
  readonly gone: number;
  readonly closed: number;
};

/** Since the start of the node. */
export type NodeTotals = {
  readonly connectionsOpened: number;
  readonly handshakesFailed: number;
  readonly framesIn: number;
  readonly errors: number;
  readonly connectionsFailed: number;
  readonly messages: {
    readonly boundsMs: readonly number[];
    readonly buckets: readonly number[];
    readonly count: number;
  };
};

/** A gateway refused, or gave no answer. */
export class NodeError extends Error {
  override readonly name = "NodeError";
}

const answerWithinMs = 10_000;

export class Nodes {
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #rows = new Map<string, NodeRow>();

  constructor(url: string, token: string | undefined) {
    this.#url = url;
    this.#token = token;
  }

  async list(): Promise<readonly NodeRow[]> {
    const { items } = (await this.#ask("GET", new URL("/api/v1/nodes", this.#url))) as { items: readonly NodeRow[] };
    for (const row of items) this.#rows.set(row.id, row);
    return items;
  }

  async totals(node: string): Promise<NodeTotals> {
    const { totals } = (await this.#at(node, "GET", "/stats")) as { totals: NodeTotals };
    return totals;
  }

  async drain(node: string, { reason, share, to }: DrainOrder): Promise<DrainState> {
    const query = new URLSearchParams({ reason });
    if (share !== undefined) query.set("share", String(share));
    if (to !== undefined) query.set("to", to.join(","));
    return drainOf(await this.#at(node, "POST", `${drainPath(node)}?${query}`));
  }

  async drainState(node: string): Promise<DrainState> {
    return drainOf(await this.#at(node, "GET", drainPath(node)));
  }

  async undrain(node: string): Promise<void> {
    await this.#at(node, "DELETE", drainPath(node));
  }

  async #at(node: string, method: string, path: string): Promise<unknown> {
    const http = this.#rows.get(node)?.member.http;
    if (http === undefined) throw new NodeError(`No node ${node} is known at ${this.#url}`);
    return await this.#ask(method, new URL(path, http));
  }

  async #ask(method: string, url: URL): Promise<unknown> {
    const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
    let response: Response;
    try {
      response = await fetch(url, { method, headers, signal: AbortSignal.timeout(answerWithinMs) });
    } catch (error) {
      throw new NodeError(`No answer from ${url.origin}, is a gateway running there? ${(error as Error).message}`);
    }
    const text = await response.text();
    if (!response.ok)
      throw new NodeError(`${url.origin} answers ${response.status} for ${url.pathname}: ${text.trim()}`);
    return JSON.parse(text);
  }
}

function drainPath(node: string): string {
  return `/api/v1/nodes/${encodeURIComponent(node)}/drain`;
}

function drainOf(answer: unknown): DrainState {
  return (answer as { drain: DrainState }).drain;
}
