/**
 * Socket.IO on Node with connection state recovery, WebSocket transport only: rooms are topics.
 * Publishes are acknowledged to the publisher; nothing is durable.
 * @module
 */
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true },
  maxHttpBufferSize: 4_194_304,
});

io.on("connection", (socket) => {
  socket.on("subscribe", (topic, done) => {
    socket.join(topic);
    done();
  });
  socket.on("publish", (topic, records, apart, done) => {
    if (apart) for (const record of records) io.to(topic).emit("records", [record]);
    else io.to(topic).emit("records", records);
    done();
  });
});

http.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
