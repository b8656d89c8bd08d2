/**
 * The routes between the nodes of a test's cluster: straight, or each through a proxy of its own, so that any part of
 * them can be cut.
 * @module
 */
import { startTcpProxy, type TcpProxy } from "./nats-proxy.ts";

/** From and to are indexes of nodes. */
export type Route = { readonly from: number; readonly to: number; readonly proxy: TcpProxy };

export async function startRouteProxies(ports: readonly number[], stack: AsyncDisposableStack): Promise<Route[]> {
  const routes: Route[] = [];
  for (const [to, port] of ports.entries()) {
    for (const from of ports.keys()) {
      if (from !== to) routes.push({ from, to, proxy: stack.use(await startTcpProxy(port)) });
    }
  }
  return routes;
}

/** The `cluster` block of one node. Without routes through proxies it goes straight to the others. */
export function clusterConfig(index: number, ports: readonly number[], routes: readonly Route[]): string {
  const proxied = routes.filter(({ from }) => from === index).map(({ proxy }) => proxy.port);
  const others = proxied.length > 0 ? proxied : ports.filter((_, other) => other !== index);
  // What a node tells of itself must not lead around the proxies: nobody listens there.
  const advertise = proxied.length > 0 ? `advertise: "127.0.0.1:1"` : "";
  return `
cluster {
  name: weir
  listen: "127.0.0.1:${ports[index]}"
  routes: [${others.map((port) => `"nats://127.0.0.1:${port}"`).join(", ")}]
  no_advertise: true
  ${advertise}
}`;
}
