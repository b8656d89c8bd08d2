/**
 * A cluster of real nats-servers for tests. Every node is a `NatsServer` of its own; routes can go through proxies,
 * so that a test can partition it.
 *
 * Ready means that a stream with a replica on every node could be made, which takes a leader that knows all nodes.
 * @module
 */
import { type ConnectionOptions, connect, type NatsConnection } from "@nats-io/transport-node";
import { type ClaimedPort, claimPort } from "./nats-port.ts";
import { clusterConfig, type Route, startRouteProxies } from "./nats-routes.ts";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats-server.ts";

export type NatsClusterOptions = Pick<NatsServerOptions, "line" | "syncInterval" | "jetstream" | "config"> & {
  /** @default 3 */
  readonly size?: number;
  /** Lets `isolate()` work. @default false */
  readonly proxiedRoutes?: boolean;
  /** What a client needs to connect, where `config` asks for it. */
  readonly connect?: ConnectionOptions;
};

export type NatsCluster = AsyncDisposable & {
  readonly nodes: readonly NatsServer[];
  readonly urls: readonly string[];
  /** The node that leads this stream now. Throws while it has none. */
  leaderOf(stream: string): Promise<NatsServer>;
  /** Resolves when the stream is led by another node than this one. */
  ledByAnother(stream: string, node: NatsServer): Promise<NatsServer>;
  /** Resolves when all nodes that run agree on the stream's leader, and every replica of it is current. */
  settled(stream: string): Promise<void>;
  /** Cuts the routes of one node to all others; its clients stay connected. */
  isolate(node: NatsServer): void;
  /** Gives all routes back. */
  heal(): void;
};

/** At least one. */
type Clients = readonly [NatsConnection, ...NatsConnection[]];
type StreamInfo = {
  readonly error?: { readonly description: string };
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly { readonly current: boolean }[] };
};

const readyWithinMs = 30_000;
const pollMs = 50;
const requestMsMax = 2_000;

export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const stack = new AsyncDisposableStack();
  try {
    const claims: ClaimedPort[] = [];
    for (let index = 0; index < (options.size ?? 3); index++) {
      const claim = await claimPort();
      stack.defer(() => claim.release());
      claims.push(claim);
    }
    const ports = claims.map(({ port }) => port);
    const routes = options.proxiedRoutes === true ? await startRouteProxies(ports, stack) : [];
    const starting = ports.map((_, index) => {
      const config = `${options.config ?? ""}${clusterConfig(index, ports, routes)}`;
      return startNatsServer({ ...options, name: `weir-${ports[index]}`, config });
    });
    for (const node of await Promise.allSettled(starting)) {
      if (node.status === "fulfilled") stack.use(node.value);
    }
    const cluster = new Cluster(await Promise.all(starting), routes, options.connect ?? {}, stack);
    await cluster.ready();
    return cluster;
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

class Cluster implements NatsCluster {
  readonly nodes: readonly NatsServer[];
  readonly urls: readonly string[];
  readonly #routes: readonly Route[];
  readonly #connect: ConnectionOptions;
  readonly #stack: AsyncDisposableStack;

  constructor(
    nodes: readonly NatsServer[],
    routes: readonly Route[],
    options: ConnectionOptions,
    stack: AsyncDisposableStack,
  ) {
    this.nodes = nodes;
    this.urls = nodes.map(({ url }) => url);
    this.#routes = routes;
    this.#connect = options;
    this.#stack = stack;
  }

  async ready(): Promise<void> {
    const config = { name: "READY", subjects: ["ready"], storage: "memory", num_replicas: this.nodes.length };
    await this.#until("placed a stream on every node", this.nodes, async ([client]) => {
      const made = await request(client, "$JS.API.STREAM.CREATE.READY", config);
      return made.error === undefined ? "done" : made.error.description;
    });
    await this.settled("READY");
    await this.#until("removed its first stream", this.nodes, async ([client]) => {
      const { error } = await request(client, "$JS.API.STREAM.DELETE.READY");
      return error === undefined || error.description === "stream not found" ? "done" : error.description;
    });
  }

  async leaderOf(stream: string): Promise<NatsServer> {
    const clients = await this.#clients(this.nodes);
    try {
      return this.#leaderIn(await request(clients[0], `$JS.API.STREAM.INFO.${stream}`), stream);
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }

  async ledByAnother(stream: string, node: NatsServer): Promise<NatsServer> {
    // Asked at the others: while it is cut off it may still believe that it leads.
    const others = this.nodes.filter((other) => other !== node);
    let leader = node;
    await this.#until(`elected another leader of ${stream} than ${node.name}`, others, async ([client]) => {
      leader = this.#leaderIn(await request(client, `$JS.API.STREAM.INFO.${stream}`), stream);
      return leader === node ? `${node.name} leads it` : "done";
    });
    return leader;
  }

  settled(stream: string): Promise<void> {
    return this.#until(`had ${stream} current on every node`, this.nodes, async (clients) => {
      const infos = await Promise.all(clients.map((client) => request(client, `$JS.API.STREAM.INFO.${stream}`)));
      const leaders = new Set(infos.map((info) => this.#leaderIn(info, stream)));
      const current = infos.every(({ cluster }) => cluster?.replicas?.every((replica) => replica.current) === true);
      return leaders.size === 1 && current ? "done" : JSON.stringify(infos.map(({ cluster }) => cluster));
    });
  }

  #leaderIn(info: StreamInfo, stream: string): NatsServer {
    const leader = this.nodes.find(({ name }) => name === info.cluster?.leader);
    if (leader === undefined) throw new Error(`Stream ${stream} has no leader: ${JSON.stringify(info)}`);
    return leader;
  }

  isolate(node: NatsServer): void {
    if (this.#routes.length === 0) throw new Error("Only a cluster with proxiedRoutes can isolate a node");
    const index = this.nodes.indexOf(node);
    for (const { from, to, proxy } of this.#routes) {
      if (from === index || to === index) proxy.cut();
    }
  }

  heal(): void {
    for (const { proxy } of this.#routes) proxy.mend();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  /** One at every node that runs. */
  async #clients(nodes: readonly NatsServer[]): Promise<Clients> {
    const running = nodes.filter((node) => node.running);
    const options = { ...this.#connect, timeout: requestMsMax };
    const [first, ...others] = running.map(({ url }) =>
      connect({ ...options, servers: url, ignoreClusterUpdates: true }),
    );
    if (first === undefined) throw new Error("No node runs that could be asked");
    return [await first, ...(await Promise.all(others))];
  }

  /** An election announces itself to nobody, so it is asked for until it is over. */
  async #until(what: string, nodes: readonly NatsServer[], ask: (clients: Clients) => Promise<string>) {
    const giveUpAt = performance.now() + readyWithinMs;
    const clients = await this.#clients(nodes);
    try {
      for (;;) {
        const answer = await ask(clients).catch(String);
        if (answer === "done") return;
        if (performance.now() > giveUpAt) throw new Error(`The cluster never ${what}: ${answer}`);
        await Bun.sleep(pollMs);
      }
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }
}

async function request(client: NatsConnection, subject: string, body?: object): Promise<StreamInfo> {
  const reply = await client.request(subject, body === undefined ? "" : JSON.stringify(body), {
    timeout: requestMsMax,
  });
  return reply.json<StreamInfo>();
}
