/**
 * Configures mosquitto for WebSockets on the loopback. Queues and flight are opened wide, nothing is written
 * to disk: it gets better conditions than a durable setting would give it.
 * @module
 */
import { freePort } from "../process.ts";

/** The second listener is there because 2.0.11 refuses to start when all of them speak WebSocket. */
const config = (port: number, plainPort: number): string => `
listener ${plainPort} 127.0.0.1
allow_anonymous true
listener ${port} 127.0.0.1
protocol websockets
allow_anonymous true
persistence false
max_inflight_messages 2000
max_queued_messages 0
set_tcp_nodelay true
log_type error
`;

export async function mosquittoCommand(port: number, dir: string): Promise<readonly string[]> {
  const program = Bun.which("mosquitto") ?? Bun.which("/usr/sbin/mosquitto");
  if (program === null)
    throw new Error("mosquitto is not installed: run apt-get update && apt-get install -y mosquitto");
  const file = `${dir}/mosquitto.conf`;
  await Bun.write(file, config(port, freePort()));
  return [program, "-c", file];
}
