/**
 * What stands behind the proxies: raw `Bun.serve`. It echoes what it gets, and sends to those that asked for it at `/feed`,
 * so often a second: `bun bench/proxy/backend.ts <port> <feeds a second>`.
 * @module
 */
const feed = "feed";
const payload = new Uint8Array(128);
const feedsPerSecond = Number(process.argv[3]);

const server = Bun.serve<string>({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, self) {
    const { pathname } = new URL(request.url);
    if (self.upgrade(request, { data: pathname })) return undefined;
    return new Response("ready\n");
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 0,
    backpressureLimit: 64 * 1024 * 1024,
    open: (socket) => {
      if (socket.data === "/feed") socket.subscribe(feed);
    },
    message: (socket, data) => void socket.send(data),
  },
});
setInterval(() => server.publish(feed, payload), 1_000 / feedsPerSecond);
